{{/* worker.toml in two parts: tenants are read anew by running pods, everything else only by new ones. */}}

{{/* Everything but the tenants. Its checksum is on the pods, so that a change replaces them. */}}
{{- define "docplanner-worker.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- range $server := list "broker" "database" -}}
  {{- $section := get $settings $server -}}
  {{- $folder := printf "%s/%s" (include "docplanner-worker.secretsFolder" $) $server -}}
  {{- $secrets := get $.Values.secrets $server -}}
  {{- if include "docplanner-worker.urlSecret" (list $ $server) -}}
    {{- if or $section.url $section.url_file -}}
      {{- fail (printf "settings.%s: has a `url` or `url_file`, and a Secret holds the URL too; remove one" $server) -}}
    {{- end -}}
    {{- $_ := set $section "url_file" (printf "%s/url" $folder) -}}
  {{- else if not (or $section.url $section.url_file) -}}
    {{- fail (printf "secrets.%s.url.secret: name the Secret that holds the URL of the %s" $server $server) -}}
  {{- else if regexMatch "//[^/@]*:[^/@]+@" (default "" $section.url) -}}
    {{- fail (printf "settings.%s.url: holds a password, which everybody could read in the ConfigMap; put the URL into a Secret and name that in secrets.%s.url.secret" $server $server) -}}
  {{- end -}}
  {{- if $secrets.ca.secret -}}
    {{- $_ := set $section "ca_file" (printf "%s/ca.crt" $folder) -}}
  {{- end -}}
  {{- if $secrets.certificate.secret -}}
    {{- $_ := set $section "client_cert_file" (printf "%s/tls.crt" $folder) -}}
    {{- $_ := set $section "client_key_file" (printf "%s/tls.key" $folder) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $section := $settings -}}
  {{- if not $section }}{{ $_ := unset $settings $name }}{{ end -}}
{{- end -}}
{{- include "docplanner-worker.toml" $settings -}}
{{- end -}}

{{- define "docplanner-worker.tenants" -}}
{{- if not .Values.tenants -}}
  {{- fail "tenants: name at least one, or an existingConfigMap" -}}
{{- end -}}
{{- $tenants := list -}}
{{- range .Values.tenants -}}
  {{- $tenant := deepCopy . -}}
  {{- if not $tenant.client_secret_file -}}
    {{- if not (include "docplanner-worker.tenantSecrets" $) -}}
      {{- fail (printf "secrets.tenants: name the Secret whose key %q is the tenant's client secret" $tenant.id) -}}
    {{- end -}}
    {{- $_ := set $tenant "client_secret_file" (printf "%s/tenants/%s" (include "docplanner-worker.secretsFolder" $) $tenant.id) -}}
  {{- end -}}
  {{- $tenants = append $tenants $tenant -}}
{{- end -}}
{{- include "docplanner-worker.toml" (dict "tenants" $tenants) -}}
{{- end -}}

{{- define "docplanner-worker.toml" -}}
{{- include "docplanner-worker.wholeNumbers" . -}}
{{- toToml . | trim -}}
{{- end -}}

{{/* Changes a map in place. Helm reads each number of a values file as a float, which toToml writes as 256.0, and the worker
     wants 256. */}}
{{- define "docplanner-worker.wholeNumbers" -}}
{{- if kindIs "map" . -}}
  {{- $map := . -}}
  {{- range $key, $value := $map -}}
    {{- if kindIs "float64" $value -}}
      {{- if eq $value (floor $value) }}{{ $_ := set $map $key (int64 $value) }}{{ end -}}
    {{- else -}}
      {{- include "docplanner-worker.wholeNumbers" $value -}}
    {{- end -}}
  {{- end -}}
{{- else if kindIs "slice" . -}}
  {{- range . }}{{ include "docplanner-worker.wholeNumbers" . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Name and key of the ConfigMap with worker.toml. */}}
{{- define "docplanner-worker.configMapName" -}}
{{- default (include "docplanner-worker.fullname" .) .Values.existingConfigMap.name -}}
{{- end -}}

{{- define "docplanner-worker.configMapKey" -}}
{{- ternary .Values.existingConfigMap.key "worker.toml" (ne .Values.existingConfigMap.name "") -}}
{{- end -}}
