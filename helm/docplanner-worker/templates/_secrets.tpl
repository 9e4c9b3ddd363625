{{/* Which Secrets there are, and the volumes with their files. */}}

{{- define "docplanner-worker.secretsFolder" -}}
/run/secrets/docplanner-worker
{{- end -}}

{{/* (list $ "broker"): the Secret with a server's URL, or nothing. */}}
{{- define "docplanner-worker.urlSecret" -}}
{{- $root := index . 0 -}}
{{- $server := index . 1 -}}
{{- $external := get $root.Values.externalSecrets $server -}}
{{- if and $root.Values.externalSecrets.enabled $external.key -}}
{{ include "docplanner-worker.fullname" $root }}-{{ $server }}
{{- else -}}
{{ (get $root.Values.secrets $server).url.secret }}
{{- end -}}
{{- end -}}

{{/* The Secrets with tenants' secrets, as JSON; or nothing. */}}
{{- define "docplanner-worker.tenantSecrets" -}}
{{- $names := .Values.secrets.tenants -}}
{{- if and .Values.externalSecrets.enabled .Values.externalSecrets.tenants.key -}}
  {{- $names = append $names (printf "%s-tenants" (include "docplanner-worker.fullname" .)) -}}
{{- end -}}
{{- if $names }}{{ toJson $names }}{{ end -}}
{{- end -}}

{{/* (list $ "broker"): the projected sources of a server's folder, or nothing. */}}
{{- define "docplanner-worker.serverSources" -}}
{{- $root := index . 0 -}}
{{- $server := index . 1 -}}
{{- $secrets := get $root.Values.secrets $server -}}
{{- $external := get $root.Values.externalSecrets $server -}}
{{- with include "docplanner-worker.urlSecret" . }}
- secret:
    name: {{ . }}
    items:
      - key: {{ ternary "url" $secrets.url.key (and $root.Values.externalSecrets.enabled (ne (default "" $external.key) "")) }}
        path: url
{{- end }}
{{- with $secrets.ca }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
{{- with $secrets.certificate }}
{{- if .secret }}
- secret:
    name: {{ .secret }}
    items:
      - key: {{ .certKey }}
        path: tls.crt
      - key: {{ .keyKey }}
        path: tls.key
{{- end }}
{{- end }}
{{- end -}}

{{/* (list $ configMapName): the volumes of every pod. */}}
{{- define "docplanner-worker.volumes" -}}
{{- $root := index . 0 -}}
- name: settings
  configMap:
    name: {{ index . 1 }}
    items:
      - key: {{ include "docplanner-worker.configMapKey" $root }}
        path: worker.toml
{{- range $server := list "broker" "database" }}
{{- with include "docplanner-worker.serverSources" (list $root $server) }}
- name: {{ $server }}
  projected:
    defaultMode: 0440
    sources:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end }}
{{- with include "docplanner-worker.tenantSecrets" $root }}
- name: tenants
  projected:
    defaultMode: 0440
    sources:
      {{- range fromJsonArray . }}
      - secret:
          name: {{ . }}
      {{- end }}
{{- end }}
{{- with $root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Folders, never single files: a file mounted by subPath is not updated when its ConfigMap or Secret is. */}}
{{- define "docplanner-worker.volumeMounts" -}}
{{- $folder := include "docplanner-worker.secretsFolder" . -}}
- name: settings
  mountPath: /etc/docplanner-worker
  readOnly: true
{{- range $server := list "broker" "database" }}
{{- if include "docplanner-worker.serverSources" (list $ $server) }}
- name: {{ $server }}
  mountPath: {{ $folder }}/{{ $server }}
  readOnly: true
{{- end }}
{{- end }}
{{- if include "docplanner-worker.tenantSecrets" . }}
- name: tenants
  mountPath: {{ $folder }}/tenants
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}
