{{- /* The PolicyRules of one scope, as a YAML list; empty when there is none; rules, scope, chained, and traits:
       those of this namespace. A rule whose names come to nothing (no chain file names a Secret)
       grants nothing and is left out. */ -}}
{{- define "laneway.rules" -}}
{{- $chained := .chained -}}
{{- $scope := .scope -}}
{{- $traits := .traits | default list -}}
{{- $found := list -}}
{{- range .rules -}}
{{- $needed := concat (.drivers | default list) (.workloads | default list) -}}
{{- $used := not $needed -}}
{{- range $needed -}}{{- if has . $traits -}}{{- $used = true -}}{{- end -}}{{- end -}}
{{- if and (eq .scope $scope) $used -}}
{{- $rule := pick . "apiGroups" "resources" "verbs" -}}
{{- if hasKey . "names" -}}
{{- $names := include "laneway.ruleNames" (dict "patterns" .names "chained" $chained) | fromJsonArray -}}
{{- if $names -}}
{{- $found = append $found (set $rule "resourceNames" $names) -}}
{{- end -}}
{{- else -}}
{{- $found = append $found $rule -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $found -}}{{- toYaml $found -}}{{- end -}}
{{- end -}}

{{- define "laneway.ruleNames" -}}
{{- $names := list -}}
{{- $chained := .chained -}}
{{- range $pattern := .patterns -}}
{{- if contains "{chain}" $pattern -}}
{{- range $chained.chains -}}{{- $names = append $names (replace "{chain}" . $pattern) -}}{{- end -}}
{{- else if eq $pattern "{credentials}" -}}
{{- $names = concat $names $chained.credentials -}}
{{- else -}}
{{- $names = append $names $pattern -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}
