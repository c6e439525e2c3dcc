{{- /* Names, labels, and what the chain files say. */ -}}

{{- define "laneway.fullname" -}}
{{- if contains "laneway" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-laneway" (.Release.Name | trunc 32 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "laneway.selector" -}}
app.kubernetes.io/name: laneway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* The labels of every object. */ -}}
{{- define "laneway.labels" -}}
{{ include "laneway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "laneway.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- /* What the chain files name, as JSON: chains, namespaces, credentials, each sorted, none twice; and traits:
       a namespace's, the drivers of all chains that have a service there, and the kinds of workload of those. */ -}}
{{- define "laneway.chained" -}}
{{- $chains := list -}}
{{- $namespaces := list -}}
{{- $credentials := list -}}
{{- $traits := dict -}}
{{- range $name, $text := .Values.chains -}}
{{- $file := fromYaml $text -}}
{{- if hasKey $file "Error" -}}
{{- fail (printf "chains.%s is not YAML: %s" $name $file.Error) -}}
{{- end -}}
{{- if not (and (kindIs "string" $file.chain) (kindIs "map" $file.services)) -}}
{{- fail (printf "chains.%s is no chain file: it has no `chain` and `services` (laneway check FILE says what is wrong)" $name) -}}
{{- end -}}
{{- $chains = append $chains $file.chain -}}
{{- range $service, $one := $file.services -}}
{{- $namespace := (get ($one | default dict) "namespace") | default $file.namespace -}}
{{- if not $namespace -}}
{{- fail (printf "chains.%s: services.%s: no namespace; name one there, or one for the whole chain" $name $service) -}}
{{- end -}}
{{- $namespaces = append $namespaces $namespace -}}
{{- $driver := get ($file.routing | default dict) "driver" | default "envoy" -}}
{{- $kind := get ($one | default dict) "workload" | default "" | splitList "/" | first -}}
{{- $_ := set $traits $namespace (concat (get $traits $namespace | default list) (list $driver $kind) | uniq) -}}
{{- end -}}
{{- range $file.repositories -}}
{{- with .credentials -}}{{- $credentials = append $credentials . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.chainsFrom -}}
{{- if .configMap -}}
{{- $chains = concat $chains .chains -}}
{{- $namespaces = concat $namespaces .namespaces -}}
{{- $credentials = concat $credentials .credentials -}}
{{- end -}}
{{- end -}}
{{- range $namespaces -}}
{{- $_ := set $traits . (concat (get $traits . | default list) $.Values.rbac.drivers $.Values.rbac.workloads | uniq) -}}
{{- end -}}
{{- dict "traits" $traits "chains" ($chains | uniq | sortAlpha) "namespaces" ($namespaces | uniq | sortAlpha) "credentials" ($credentials | uniq | sortAlpha) | toJson -}}
{{- end -}}

{{- /* The namespaces whose chains a driver routes, as JSON. */ -}}
{{- define "laneway.routedBy" -}}
{{- $found := list -}}
{{- $driver := .driver -}}
{{- range $namespace, $traits := (include "laneway.chained" .root | fromJson).traits -}}
{{- if has $driver $traits -}}{{- $found = append $found $namespace -}}{{- end -}}
{{- end -}}
{{- $found | sortAlpha | toJson -}}
{{- end -}}

{{- define "laneway.chainsConfigMap" -}}
{{- .Values.chainsFrom.configMap | default (printf "%s-chains" (include "laneway.fullname" .)) -}}
{{- end -}}

{{- define "laneway.bundledValkey" -}}
{{- if not (or .Values.redis.url .Values.redis.existingSecret.name) -}}true{{- end -}}
{{- end -}}

{{- /* Name and key of the Secret that holds the queue's URL. */ -}}
{{- define "laneway.redisSecret" -}}
{{- if .Values.redis.existingSecret.name -}}
name: {{ .Values.redis.existingSecret.name }}
key: {{ .Values.redis.existingSecret.key }}
{{- else if .Values.redis.url -}}
name: {{ include "laneway.fullname" . }}-redis
key: url
{{- else -}}
name: {{ .Values.valkey.existingSecret | default (printf "%s-valkey" (include "laneway.fullname" .)) }}
key: url
{{- end -}}
{{- end -}}

{{- /* Name and key of the Secret that holds GitHub's webhook secret. */ -}}
{{- define "laneway.githubSecret" -}}
{{- with .Values.webhooks.github.existingSecret -}}
{{- if .name -}}
name: {{ .name }}
key: {{ .key }}
{{- else -}}
name: {{ include "laneway.fullname" $ }}-webhooks
key: github
{{- end -}}
{{- end -}}
{{- end -}}
