{{- /* Parts of the worker's pod. Secrets and the policy are files; their paths reach the worker by its environment. */ -}}

{{- define "emostream.env" -}}
{{- if .Values.secrets.sasl.name }}
- {name: EMOSTREAM_KAFKA__SECURITY__PASSWORD_FILE, value: /etc/emostream/sasl/password}
{{- end }}
{{- with .Values.secrets.tls }}
{{- if and .name .caKey }}
- {name: EMOSTREAM_KAFKA__SECURITY__CA_FILE, value: /etc/emostream/tls/ca.pem}
{{- end }}
{{- if and .name .certKey }}
- {name: EMOSTREAM_KAFKA__SECURITY__CERT_FILE, value: /etc/emostream/tls/cert.pem}
- {name: EMOSTREAM_KAFKA__SECURITY__KEY_FILE, value: /etc/emostream/tls/key.pem}
{{- end }}
{{- end }}
{{- if include "emostream.hasPolicy" . }}
- {name: EMOSTREAM_DECISION__POLICY, value: /etc/emostream/policy/policy.json}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "emostream.volumeMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: config, mountPath: /etc/emostream/config, readOnly: true}
{{- if include "emostream.hasPolicy" . }}
- {name: policy, mountPath: /etc/emostream/policy, readOnly: true}
{{- end }}
{{- if .Values.secrets.sasl.name }}
- {name: sasl, mountPath: /etc/emostream/sasl, readOnly: true}
{{- end }}
{{- if .Values.secrets.tls.name }}
- {name: tls, mountPath: /etc/emostream/tls, readOnly: true}
{{- end }}
{{- if .Values.model.existingClaim }}
- {name: models, mountPath: {{ .Values.model.mountPath | quote }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "emostream.volumes" -}}
# transactional ids are kept by locks in /tmp, so a restarted container takes its former one
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.tmp.sizeLimit }}
- name: config
  configMap:
    name: {{ include "emostream.fullname" . }}
    items:
      - {key: config.yaml, path: config.yaml}
{{- if include "emostream.hasPolicy" . }}
- name: policy
  configMap:
    name: {{ default (include "emostream.fullname" .) .Values.policy.configMap }}
    items:
      - {key: {{ ternary .Values.policy.key "policy.json" (not (empty .Values.policy.configMap)) | quote }}, path: policy.json}
{{- end }}
{{- with .Values.secrets.sasl }}
{{- if .name }}
- name: sasl
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items:
      - {key: {{ .passwordKey | quote }}, path: password}
{{- end }}
{{- end }}
{{- with .Values.secrets.tls }}
{{- if .name }}
- name: tls
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
    items:
      {{- if .caKey }}
      - {key: {{ .caKey | quote }}, path: ca.pem}
      {{- end }}
      {{- if .certKey }}
      - {key: {{ .certKey | quote }}, path: cert.pem}
      - {key: {{ .keyKey | quote }}, path: key.pem}
      {{- end }}
{{- end }}
{{- end }}
{{- with .Values.model.existingClaim }}
- name: models
  persistentVolumeClaim:
    claimName: {{ . }}
    readOnly: true
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "emostream.probe" -}}
{{- if .given -}}
{{- toYaml .given -}}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
periodSeconds: {{ .period }}
timeoutSeconds: 5
failureThreshold: {{ .failures }}
{{- end -}}
{{- end -}}

{{- define "emostream.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if .Values.gpu.enabled -}}
{{- $limits := set (default dict $resources.limits) .Values.gpu.resource .Values.gpu.count -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
