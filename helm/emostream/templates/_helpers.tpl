{{- define "emostream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "emostream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "emostream.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "emostream.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "emostream.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "emostream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: emostream
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* What selects the workers, and nothing else of the release. */ -}}
{{- define "emostream.selector" -}}
app.kubernetes.io/name: {{ include "emostream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end -}}

{{- /* The configuration as the worker will see it: `.Values.config` over the worker's own defaults, to read from. */ -}}
{{- define "emostream.settings" -}}
{{- mergeOverwrite (.Files.Get "files/defaults.yaml" | fromYaml) (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{- define "emostream.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- $tag := printf "%s%s" $.Chart.AppVersion (ternary "-cuda" "" $.Values.gpu.enabled) -}}
{{- printf "%s:%s" .repository (default $tag .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "emostream.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "emostream.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "emostream.hasPolicy" -}}
{{- if or .Values.policy.document .Values.policy.configMap -}}true{{- end -}}
{{- end -}}

{{- define "emostream.usesSasl" -}}
{{- if hasPrefix "SASL" (include "emostream.settings" . | fromYaml).kafka.security.protocol -}}true{{- end -}}
{{- end -}}

{{- define "emostream.usesTls" -}}
{{- if hasSuffix "SSL" (include "emostream.settings" . | fromYaml).kafka.security.protocol -}}true{{- end -}}
{{- end -}}

{{- define "emostream.maxReplicas" -}}
{{- $partitions := int .Values.keda.partitions -}}
{{- min $partitions (int (default $partitions .Values.keda.maxReplicas)) -}}
{{- end -}}

{{- /* The ports of the brokers, a JSON list: the given ones, else those of the bootstrap servers. */ -}}
{{- define "emostream.brokerPorts" -}}
{{- if .Values.networkPolicy.brokerPorts -}}
{{- .Values.networkPolicy.brokerPorts | toJson -}}
{{- else -}}
{{- $ports := list -}}
{{- range splitList "," (include "emostream.settings" . | fromYaml).kafka.bootstrap_servers -}}
{{- $ports = append $ports (splitList ":" (trim .) | last | int) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
{{- end -}}

{{- /* What a schema cannot say: values that contradict one another. */ -}}
{{- define "emostream.check" -}}
{{- $settings := include "emostream.settings" . | fromYaml -}}
{{- $security := $settings.kafka.security -}}
{{- if not $settings.server.port -}}
{{- fail "config.server.port: needed for the probes" -}}
{{- end -}}
{{- if and .Values.policy.document .Values.policy.configMap -}}
{{- fail "policy: give document or configMap, not both" -}}
{{- end -}}
{{- if and (include "emostream.hasPolicy" .) $settings.decision.policy -}}
{{- fail "config.decision.policy: leave it out, the chart sets it to the mounted policy" -}}
{{- end -}}
{{- if .Values.secrets.sasl.name -}}
{{- if $security.password_file -}}
{{- fail "config.kafka.security.password_file: leave it out, the chart sets it to the mounted secrets.sasl" -}}
{{- end -}}
{{- if not (include "emostream.usesSasl" .) -}}
{{- fail (printf "secrets.sasl.name: config.kafka.security.protocol is %s, which has no password; take SASL_SSL or SASL_PLAINTEXT" $security.protocol) -}}
{{- end -}}
{{- end -}}
{{- if .Values.secrets.tls.name -}}
{{- if or $security.ca_file $security.cert_file $security.key_file -}}
{{- fail "config.kafka.security: leave ca_file, cert_file and key_file out, the chart sets them to the mounted secrets.tls" -}}
{{- end -}}
{{- if not (include "emostream.usesTls" .) -}}
{{- fail (printf "secrets.tls.name: config.kafka.security.protocol is %s, which has no TLS; take SSL or SASL_SSL" $security.protocol) -}}
{{- end -}}
{{- if ne (empty .Values.secrets.tls.certKey) (empty .Values.secrets.tls.keyKey) -}}
{{- fail "secrets.tls: certKey and keyKey go together" -}}
{{- end -}}
{{- end -}}
{{- if .Values.keda.enabled -}}
{{- if not .Values.keda.partitions -}}
{{- fail "keda.partitions: say how many partitions the input topics have, all together" -}}
{{- end -}}
{{- $most := int (include "emostream.maxReplicas" .) -}}
{{- range $key, $value := dict "minReplicas" .Values.keda.minReplicas "fallback.replicas" .Values.keda.fallback.replicas -}}
{{- if gt (int $value) $most -}}
{{- fail (printf "keda.%s: %d is more than the %d workers that keda.partitions and keda.maxReplicas allow" $key (int $value) $most) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
