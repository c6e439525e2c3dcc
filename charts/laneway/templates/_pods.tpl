{{- /* Pods and their Deployments. All meet the `restricted` Pod Security level and write only to volumes. */ -}}

{{- define "laneway.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "laneway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* The container of a process; root, arguments, resources, secrets (whether it verifies deliveries), mirrors,
       links (whether it knows the keys of signed links), notices (whether it knows the key that signs them). */ -}}
{{- define "laneway.container" -}}
image: {{ include "laneway.image" (dict "root" .root "image" .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [laneway]
args: {{ toJson .arguments }}
envFrom:
  - configMapRef: {name: {{ include "laneway.fullname" .root }}-settings}
env:
  - name: HOME
    value: /tmp
  - name: LANEWAY_REDIS_URL
    valueFrom:
      secretKeyRef: {{- include "laneway.redisSecret" .root | nindent 8 }}
  {{- if .secrets }}
  - name: LANEWAY_GITHUB_SECRETS
    valueFrom:
      secretKeyRef: {{- include "laneway.githubSecret" .root | nindent 8 }}
  {{- end }}
  {{- if and .mirrors .root.Values.github.tokenSecret.name }}
  - name: LANEWAY_GITHUB_TOKEN_FILE
    value: /etc/laneway/github/token
  {{- end }}
  {{- if and .links .root.Values.links.keysSecret.name }}
  - name: LANEWAY_LINK_KEYS_FILE
    value: /etc/laneway/links/keys
  {{- end }}
  {{- if and .notices .root.Values.notices.keySecret.name }}
  - name: LANEWAY_NOTIFY_KEY_FILE
    value: /etc/laneway/notices/key
  {{- end }}
  {{- with .root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources: {{- toYaml .resources | nindent 2 }}
securityContext: {{- include "laneway.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: chains, mountPath: /etc/laneway/chains, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if .mirrors }}
  - {name: mirrors, mountPath: /var/lib/laneway/mirrors}
  {{- if .root.Values.github.tokenSecret.name }}
  - {name: github, mountPath: /etc/laneway/github, readOnly: true}
  {{- end }}
  {{- end }}
  {{- if and .links .root.Values.links.keysSecret.name }}
  - {name: links, mountPath: /etc/laneway/links, readOnly: true}
  {{- end }}
  {{- if and .notices .root.Values.notices.keySecret.name }}
  - {name: notices, mountPath: /etc/laneway/notices, readOnly: true}
  {{- end }}
{{- end -}}

{{- /* What a pod has beside its containers; root, and mirrors: the size of the volume for clones, if any;
       whoever has one asks the forge, too; links and notices, as for the container. */ -}}
{{- define "laneway.pod" -}}
securityContext: {{- include "laneway.podSecurity" . | nindent 2 }}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: chains
    configMap: {name: {{ include "laneway.chainsConfigMap" .root }}}
  - name: tmp
    emptyDir: {}
  {{- with .mirrors }}
  - name: mirrors
    emptyDir: {sizeLimit: {{ . }}}
  {{- with $.root.Values.github.tokenSecret }}
  {{- if .name }}
  - name: github
    secret: {secretName: {{ .name }}, items: [{key: {{ .key }}, path: token}]}
  {{- end }}
  {{- end }}
  {{- end }}
  {{- with .root.Values.links.keysSecret }}
  {{- if and $.links .name }}
  - name: links
    secret: {secretName: {{ .name }}, items: [{key: {{ .key }}, path: keys}]}
  {{- end }}
  {{- end }}
  {{- with .root.Values.notices.keySecret }}
  {{- if and $.notices .name }}
  - name: notices
    secret: {secretName: {{ .name }}, items: [{key: {{ .key }}, path: key}]}
  {{- end }}
  {{- end }}
{{- end -}}

{{- /* The Deployment of a process; root, name, port (of health and metrics), more (containerPorts), grace
       (seconds that it gets to end), linger, mirrors, secrets, links, notices, token (whether it talks to the cluster). */ -}}
{{- define "laneway.deployment" -}}
{{- $values := index .root.Values .name -}}
{{- $selector := printf "%s\napp.kubernetes.io/component: %s" (include "laneway.selector" .root) .name -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "laneway.fullname" .root }}-{{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "laneway.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels: {{- $selector | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template:
    metadata:
      labels: {{- $selector | nindent 8 }}
      annotations:
        # settings and secrets are read at start; the chain files are not here: they are read when they change
        checksum/settings: {{ printf "%s %s" (include "laneway.environment" .root) (toJson .root.Values.webhooks) | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "laneway.fullname" .root }}-{{ .name }}
      automountServiceAccountToken: {{ .token }}
      terminationGracePeriodSeconds: {{ .grace }}
      {{- include "laneway.pod" (dict "root" .root "mirrors" .mirrors "links" .links "notices" .notices) | nindent 6 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- $selector | nindent 14 }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          {{- include "laneway.container" (dict "root" .root "arguments" (list .name) "resources" $values.resources "secrets" .secrets "mirrors" .mirrors "links" .links "notices" .notices) | nindent 10 }}
          ports: {{- toYaml .ports | nindent 12 }}
          startupProbe:
            httpGet: {path: /livez, port: metrics}
            periodSeconds: 1
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 5
            timeoutSeconds: 5
          lifecycle:
            preStop:
              exec: {command: [sleep, "{{ .linger }}"]} # until nobody is led here any more
{{- end -}}

{{- /* The settings of every process, as YAML. */ -}}
{{- define "laneway.environment" -}}
LANEWAY_NAMESPACE: {{ .Release.Namespace }}
LANEWAY_CHAINS: /etc/laneway/chains
LANEWAY_MIRRORS: /var/lib/laneway/mirrors
LANEWAY_DISCOVERY_ADDRESS: {{ include "laneway.fullname" . }}-router.{{ .Release.Namespace }}:18000
LANEWAY_ENVOY_IMAGE: {{ include "laneway.image" (dict "root" . "image" .Values.envoy.image) }}
LANEWAY_ENVOY_REPLICAS: {{ .Values.envoy.replicas | quote }}
LANEWAY_RESPONDER_SERVICE: {{ ternary (printf "%s-responder" (include "laneway.fullname" .)) "" (ne "[]" (include "laneway.routedBy" (dict "root" . "driver" "gateway-api"))) | quote }}
{{- with .Values.github.api }}
LANEWAY_GITHUB_API: {{ . | quote }}
{{- end }}
{{- range $key, $value := .Values.settings }}
LANEWAY_{{ upper $key }}: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end -}}
