{{- define "callboard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "callboard.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "callboard.labels" -}}
{{ include "callboard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "callboard.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end -}}
{{- end -}}

{{- define "callboard.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "callboard.fullname" .) .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end -}}
{{- end -}}

{{- define "callboard.databaseSecret" -}}
{{- if .Values.database.existingSecret -}}
{{ .Values.database.existingSecret }}
{{- else if .Values.database.url -}}
{{ include "callboard.fullname" . }}-database
{{- else -}}
{{- fail "set database.existingSecret to the name of a Secret with the URL of a PostgreSQL database, or database.url" -}}
{{- end -}}
{{- end -}}

{{- define "callboard.databaseEnv" -}}
- name: CALLBOARD_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "callboard.databaseSecret" . }}
      key: {{ if .Values.database.existingSecret }}{{ .Values.database.secretKey }}{{ else }}url{{ end }}
{{- end -}}

{{/* What engines and API processes have in common: a dict with root, role and own, the values of the role. */}}
{{- define "callboard.pod" -}}
metadata:
  labels:
    {{- include "callboard.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  annotations:
    callboard/config: {{ toJson .root.Values.config | sha256sum }}
    {{- with .own.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "callboard.serviceAccount" .root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 30
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  {{- with .own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .own.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "callboard.selector" .root | nindent 10 }}
          app.kubernetes.io/component: {{ .role }}
  containers:
    - name: {{ .role }}
      image: {{ include "callboard.image" .root | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args:
        - {{ .role }}
        - --config=/etc/callboard/app-config.yaml
        - --log-format={{ .root.Values.logFormat }}
        - --host=0.0.0.0
        - --port=7007
        {{- if eq .role "engine" }}
        - --metrics-port={{ .own.metricsPort }}
        {{- end }}
        {{- if .root.Values.insecure }}
        - --insecure
        {{- end }}
      env:
        {{- include "callboard.databaseEnv" .root | nindent 8 }}
        {{- with .root.Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if eq .role "api" }}
      ports:
        - name: http
          containerPort: 7007
      # Ready is who has the whole catalog in memory. Reads go on without PostgreSQL, so it is no reason to be unready.
      startupProbe:
        httpGet: {path: /.backstage/health/v1/readiness, port: http}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: {{ div (int .own.startupSeconds) 2 }}
      readinessProbe:
        httpGet: {path: /.backstage/health/v1/readiness, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: /.backstage/health/v1/liveness, port: http}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      lifecycle:
        preStop:
          # Until everybody knows that no more requests are to come here.
          exec: {command: [sleep, "5"]}
      {{- else }}
      ports:
        - name: metrics
          containerPort: {{ .own.metricsPort }}
      # Nobody is sent to an engine: unready, it only lets an upgrade wait for PostgreSQL, and shows in `kubectl get pods`.
      readinessProbe:
        httpGet: {path: /.backstage/health/v1/readiness, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      livenessProbe:
        httpGet: {path: /.backstage/health/v1/liveness, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
      {{- end }}
      resources:
        {{- toYaml .own.resources | nindent 8 }}
      securityContext:
        {{- toYaml .root.Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: config
          mountPath: /etc/callboard
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- with .root.Values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "callboard.fullname" .root }}
    - name: tmp
      emptyDir: {}
    {{- with .root.Values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
