{{- /* The spec of a Job that runs `laneway` once; root, name, arguments, account, resources, seconds, mirrors. */ -}}
{{- define "laneway.job" -}}
backoffLimit: 0
activeDeadlineSeconds: {{ .seconds }}
template:
  metadata:
    labels:
      {{- include "laneway.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .account }}
  spec:
    serviceAccountName: {{ include "laneway.fullname" .root }}-{{ .account }}
    automountServiceAccountToken: true
    restartPolicy: Never
    {{- include "laneway.pod" (dict "root" .root "mirrors" .mirrors) | nindent 4 }}
    containers:
      - name: {{ .name }}
        {{- include "laneway.container" (dict "root" .root "arguments" .arguments "resources" .resources "mirrors" .mirrors) | nindent 8 }}
{{- end -}}
