{{/* Names, labels and the pieces of a pod that every component shares. */}}

{{- define "taskonomy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "taskonomy.fullname" -}}
{{- $name := include "taskonomy.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- /* a release's name may have dots, a Service's may not */}}
{{- $release := .Release.Name | replace "." "-" }}
{{- ternary $release (printf "%s-%s" $release $name) (contains $name $release) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Where everything is installed. */}}
{{- define "taskonomy.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* What has no namespace carries it in its name: two releases may share a cluster. */}}
{{- define "taskonomy.clusterName" -}}
{{- printf "%s-%s" (include "taskonomy.namespace" .) (include "taskonomy.fullname" .) }}
{{- end }}

{{/* Labels that a selector of a component's pods uses: (list $ "component"). */}}
{{- define "taskonomy.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "taskonomy.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of an object: (list $ "component"). */}}
{{- define "taskonomy.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "taskonomy.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: taskonomy
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels and annotations of an object: (list $ "component" $annotations). */}}
{{- define "taskonomy.metadata" -}}
{{- $root := index . 0 -}}
{{- $annotations := dict }}
{{- if gt (len .) 2 }}{{ $annotations = index . 2 | default dict }}{{ end }}
{{- $annotations = merge (dict) $annotations $root.Values.commonAnnotations -}}
labels:
  {{- include "taskonomy.labels" (list $root (index . 1)) | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where an image comes from: (list $ $image). */}}
{{- define "taskonomy.image" -}}
{{- $root := index . 0 }}
{{- $image := index . 1 }}
{{- $registry := default $root.Values.image.registry $image.registry }}
{{- $name := $image.repository }}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name (coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "taskonomy.pullPolicy" -}}
{{- default (index . 0).Values.image.pullPolicy (index . 1).pullPolicy }}
{{- end }}

{{/* Names of the Secrets that nodes fetch images with, as a JSON list. */}}
{{- define "taskonomy.pullSecrets" -}}
{{- $names := list }}
{{- range .Values.imagePullSecrets }}
{{- if kindIs "string" . }}{{ $names = append $names . }}{{ else }}{{ $names = append $names .name }}{{ end }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{/* A ServiceAccount's name: (list $ $account "component"). */}}
{{- define "taskonomy.account" -}}
{{- $account := index . 1 }}
{{- if $account.create }}
{{- default (printf "%s-%s" (include "taskonomy.fullname" (index . 0)) (index . 2)) $account.name }}
{{- else }}
{{- default "default" $account.name }}
{{- end }}
{{- end }}

{{/* Namespaces that Studies live in, as a JSON list: the release's own first. */}}
{{- define "taskonomy.namespaces" -}}
{{- prepend .Values.studyNamespaces (include "taskonomy.namespace" .) | uniq | toJson }}
{{- end }}

{{/* Fields of a pod that say where it runs and what it may do: (list $ $component), and the claim of
"taskonomy.oneNode", if pods that mount it have to be on one node: it is added to the affinity. Beside
training pods a pod puts up with the taints of their nodes. */}}
{{- define "taskonomy.pod" -}}
{{- $root := index . 0 }}
{{- $of := index . 1 }}
{{- $affinity := deepCopy $of.affinity }}
{{- $tolerations := $of.tolerations }}
{{- $claim := "" }}
{{- if gt (len .) 2 }}{{ $claim = index . 2 }}{{ end }}
{{- with $claim }}
{{- $term := dict "labelSelector" (dict "matchLabels" (dict "taskonomy.dev/one-node" .)) "topologyKey" "kubernetes.io/hostname" }}
{{- $namespaces := include "taskonomy.namespaces" $root | fromJsonArray }}
{{- if gt (len $namespaces) 1 }}{{ $_ := set $term "namespaces" $namespaces }}{{ end }}
{{- $pods := $affinity.podAffinity | default dict }}
{{- $terms := $pods.requiredDuringSchedulingIgnoredDuringExecution | default list }}
{{- $_ := set $pods "requiredDuringSchedulingIgnoredDuringExecution" (append $terms $term) }}
{{- $_ := set $affinity "podAffinity" $pods }}
{{- if eq . (include "taskonomy.oneNode" (list $root "jobs")) }}
{{- range $profile := $root.Values.jobs.profiles }}
{{- $tolerations = concat $tolerations ($profile.tolerations | default list) | uniq }}
{{- end }}
{{- end }}
{{- end }}
{{- $placed := dict "affinity" $affinity "tolerations" $tolerations -}}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $of.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with include "taskonomy.pullSecrets" $root | fromJsonArray }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "hostAliases" "dnsConfig" "dnsPolicy" "priorityClassName" "runtimeClassName" }}
{{- with get (hasKey $placed $field | ternary $placed $of) $field }}
{{ dict $field . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations of a pod: (list $ "component" $component $annotations), and the claim of
"taskonomy.oneNode". */}}
{{- define "taskonomy.podMetadata" -}}
{{- $root := index . 0 }}
{{- $of := index . 2 }}
{{- $annotations := merge (dict) $of.podAnnotations (index . 3) -}}
labels:
  {{- $labels := include "taskonomy.labels" (list $root (index . 1)) | fromYaml }}
  {{- /* versions are left out: an upgrade that changes nothing restarts nothing */}}
  {{- $labels = omit $labels "helm.sh/chart" "app.kubernetes.io/version" }}
  {{- if gt (len .) 4 }}{{ $labels = merge (include "taskonomy.oneNodeLabels" (index . 4) | fromYaml) $labels }}{{ end }}
  {{- toYaml (merge (dict) $labels $of.podLabels) | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* How pods of a component are spread over nodes: (list $ "component" $component). */}}
{{- define "taskonomy.spread" -}}
{{- with (index . 2).topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- else -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "taskonomy.selector" (list (index . 0) (index . 1)) | nindent 8 }}
{{- end }}
{{- end }}

{{/* The environment of a server that talks to S3: (dict "endpoint" … "region" …). */}}
{{- define "taskonomy.s3Env" -}}
- name: AWS_REGION
  value: {{ .region | quote }}
{{- with .endpoint }}
- name: AWS_ENDPOINT_URL_S3
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Where runs are tracked; empty: nowhere. */}}
{{- define "taskonomy.tracking" -}}
{{- if .Values.mlflow.externalTracking }}
{{- .Values.mlflow.externalTracking }}
{{- else if .Values.mlflow.enabled }}
{{- printf "http://%s-mlflow.%s.svc:%v" (include "taskonomy.fullname" .) (include "taskonomy.namespace" .) .Values.mlflow.service.port }}
{{- end }}
{{- end }}

{{- define "taskonomy.hasMlflow" -}}
{{- if and .Values.mlflow.enabled (not .Values.mlflow.externalTracking) }}true{{ end }}
{{- end }}

{{/* Name of the claim of `data` or `artifacts`: (list $ "data"). */}}
{{- define "taskonomy.studyClaim" -}}
{{- $root := index . 0 }}
{{- $volume := index $root.Values (index . 1) }}
{{- if eq $volume.source "existingClaim" }}
{{- required (printf "%s.existingClaim names the claim that %s.source asks for" (index . 1) (index . 1)) $volume.existingClaim }}
{{- else }}
{{- printf "%s-%s" (include "taskonomy.fullname" $root) (index . 1) }}
{{- end }}
{{- end }}

{{/* The spec of a new claim: (list $ $persistence). */}}
{{- define "taskonomy.claimSpec" -}}
{{- $volume := index . 1 -}}
accessModes:
  {{- toYaml $volume.accessModes | nindent 2 }}
{{- with $volume.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ $volume.size }}
{{- end }}

{{/* Annotations of a claim: (list $volume). */}}
{{- define "taskonomy.claimAnnotations" -}}
{{- $volume := index . 0 }}
{{- $annotations := deepCopy $volume.annotations }}
{{- if $volume.keep }}{{ $_ := set $annotations "helm.sh/resource-policy" "keep" }}{{ end }}
{{- toYaml $annotations }}
{{- end }}

{{/* Whether pods that mount a volume have to be on one node: (list $volume $isNew "mode" …), the modes
being those of which one is enough for several. A claim that is there does not say its modes here. */}}
{{- define "taskonomy.isOnOneNode" -}}
{{- $volume := index . 0 }}
{{- if eq (toString $volume.oneNode) "auto" }}
{{- $many := false }}
{{- range slice . 2 }}{{ if has . $volume.accessModes }}{{ $many = true }}{{ end }}{{ end }}
{{- if and (index . 1) (not $many) }}true{{ end }}
{{- else if eq (toString $volume.oneNode) "true" }}true
{{- end }}
{{- end }}

{{/* What pods that have to be on one node are marked with, the claim cut to a label's length: (list $
"who"), who being "jobs", "loader", "test" or "explorer"; empty: they may be on any. Whoever
shares a volume shares the mark, and has one: with two, the scheduler would take a pod that meets others
of one volume alone for the first. */}}
{{- define "taskonomy.oneNode" -}}
{{- $root := index . 0 }}
{{- $who := index . 1 }}
{{- $values := $root.Values }}
{{- $kept := $values.warehouse.persistence }}
{{- $artifacts := include "taskonomy.isOnOneNode" (list $values.artifacts (eq $values.artifacts.source "newClaim") "ReadWriteMany") }}
{{- $data := and (ne $values.data.source "none") (include "taskonomy.isOnOneNode" (list $values.data (eq $values.data.source "newClaim") "ReadWriteMany" "ReadOnlyMany")) }}
{{- $warehouse := and $values.explorer.enabled (include "taskonomy.isOnOneNode" (list $kept (not $kept.existingClaim) "ReadWriteMany")) }}
{{- $claim := "" }}
{{- if and $artifacts (or (ne $who "explorer") $warehouse) }}
{{- $claim = include "taskonomy.studyClaim" (list $root "artifacts") }}
{{- else if and $data (eq $who "jobs") }}
{{- $claim = include "taskonomy.studyClaim" (list $root "data") }}
{{- else if and $warehouse (has $who (list "loader" "explorer")) }}
{{- $claim = include "taskonomy.warehouseClaim" $root }}
{{- end }}
{{- regexReplaceAll "[-.]+$" ($claim | trunc 63) "" }}
{{- end }}

{{- define "taskonomy.oneNodeLabels" -}}
{{- with . }}taskonomy.dev/one-node: {{ . | quote }}{{ end }}
{{- end }}

{{/* Volume and mount of the results, as the loader and the test see them. */}}
{{- define "taskonomy.artifactsMount" -}}
- name: artifacts
  mountPath: {{ .Values.artifacts.path }}
  {{- with .Values.artifacts.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}

{{- define "taskonomy.warehouseClaim" -}}
{{- default (printf "%s-warehouse" (include "taskonomy.fullname" .)) .Values.warehouse.persistence.existingClaim }}
{{- end }}

{{- define "taskonomy.snapshot" -}}
{{- default "/warehouse/snapshot" .Values.warehouse.snapshot.uri }}
{{- end }}

{{/* Whether the kinds of the Prometheus operator can be made here. */}}
{{- define "taskonomy.hasMonitoring" -}}
{{- if or .Values.monitoring.force (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") }}true{{ end }}
{{- end }}
