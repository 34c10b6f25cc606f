{{- define "gridline.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "gridline.labels" -}}
app.kubernetes.io/name: gridline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gridline.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "gridline.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false  # GRIDLINE_ROUTER_PORT=tcp://… and the like, which are no settings of ours
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch  # else every start goes through all the photos
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Where Kafka is, for services and jobs alike. */ -}}
{{- define "gridline.kafka" -}}
- name: GRIDLINE_KAFKA_BOOTSTRAP
  value: {{ required "kafka.bootstrap is missing: host:port of your brokers" .Values.kafka.bootstrap | quote }}
- name: GRIDLINE_KAFKA_SECURITY
  value: {{ .Values.kafka.security }}
{{- if hasPrefix "SASL" .Values.kafka.security }}
{{- $secret := required "kafka.existingSecret is missing: a Secret with username and password, as kafka.security is SASL" .Values.kafka.existingSecret }}
- name: GRIDLINE_KAFKA_SASL_MECHANISM
  value: {{ .Values.kafka.saslMechanism }}
- name: GRIDLINE_KAFKA_USERNAME
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: username}}
- name: GRIDLINE_KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: password}}
{{- end }}
{{- if and .Values.ca.existingSecret (contains "SSL" .Values.kafka.security) }}
- name: GRIDLINE_KAFKA_CA_FILE
  value: /etc/gridline/ca/ca.crt
{{- end }}
- name: GRIDLINE_TOPIC_PREFIX
  value: {{ .Values.kafka.topicPrefix | quote }}
{{- end }}

{{- /* Where PostgreSQL is, for all but intake, which has no use for it and faces the world. */ -}}
{{- define "gridline.postgres" -}}
- name: GRIDLINE_POSTGRES_DSN
  valueFrom: {secretKeyRef: {name: {{ required "postgres.existingSecret is missing: a Secret with the key dsn" .Values.postgres.existingSecret }}, key: dsn}}
{{- end }}

{{- /* The folders every container sees. */ -}}
{{- define "gridline.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.ca.existingSecret }}
- {name: ca, mountPath: /etc/gridline/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "gridline.volumes" -}}
- {name: tmp, emptyDir: {}}
{{- if .Values.ca.existingSecret }}
- {name: ca, secret: {secretName: {{ .Values.ca.existingSecret }}}}
{{- end }}
{{- end }}
