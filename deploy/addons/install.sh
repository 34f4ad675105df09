#!/bin/sh
# Installs what policies need that are applied next: addons/install.sh [--dry-run] POLICY…, where POLICY is its folder below deploy, such as
# HPA/auth-service/object or KEDA/caption-worker. monitoring is a policy, too. What is there already is brought to the version
# that is pinned here, so that it can be run again at any time. --dry-run prints the commands instead.
set -eu
cd "$(dirname "$0")"

usage() {
	echo "usage: addons/install.sh [--dry-run] POLICY…   (a folder below deploy, such as HPA/auth-service/resource-metric/cpu)" >&2
	exit 2
}

dry=
if [ "${1-}" = --dry-run ]; then
	dry=yes
	shift
fi
[ $# -gt 0 ] || usage

run() {
	if [ -n "$dry" ]; then
		echo "$*"
	else
		"$@"
	fi
}

# chart RELEASE NAMESPACE VALUES CHART VERSION [FLAGS OF HELM…]
chart() {
	release=$1 namespace=$2 values=$3 chart=$4 version=$5
	shift 5
	run helm upgrade --install "$release" "$chart" --version "$version" "$@" --namespace "$namespace" --create-namespace --values "values/$values.yaml" --wait
}

# wants ADDON: whether one of the policies needs it.
wants() {
	case " $needed " in *" $1 "*) return 0 ;; esac
	return 1
}

metrics_server() {
	set -- --repo https://kubernetes-sigs.github.io/metrics-server
	# The kubelets of kind sign their certificates themselves.
	case $(kubectl config current-context 2>/dev/null || true) in
	kind-*) set -- "$@" --set 'args[1]=--kubelet-insecure-tls' ;;
	esac
	chart metrics-server kube-system metrics-server metrics-server 3.14.0 "$@"
}
prometheus() {
	chart kube-prometheus-stack monitoring prometheus kube-prometheus-stack 82.6.0 --repo https://prometheus-community.github.io/helm-charts
}
adapter() {
	prometheus
	# The metrics are made of what the monitors scrape.
	run kubectl apply -k ../monitoring
	chart prometheus-adapter monitoring prometheus-adapter prometheus-adapter 5.3.0 --repo https://prometheus-community.github.io/helm-charts
}
keda() {
	set -- --repo https://kedacore.github.io/charts
	# Where there is no operator of Prometheus, a ServiceMonitor would be refused, and with it the chart.
	if wants adapter || wants prometheus || kubectl get crd servicemonitors.monitoring.coreos.com >/dev/null 2>&1; then
		set -- "$@" --set prometheus.operator.serviceMonitor.enabled=true
	fi
	chart keda keda keda keda 2.21.0 "$@"
}
vpa() {
	metrics_server
	chart vpa kube-system vpa vertical-pod-autoscaler 0.13.0 --repo https://kubernetes.github.io/autoscaler
}
karpenter() {
	chart karpenter kube-system karpenter oci://public.ecr.aws/karpenter/karpenter 1.14.1
}

# Which addons the policies need together; each is installed once, in an order in which they need each other.
needed=
for policy in "$@"; do
	policy=${policy%/}
	policy=${policy#./}
	[ -e "../$policy/kustomization.yaml" ] || { echo "install: there is no policy $policy; name its folder below deploy" >&2; exit 2; }
	case $policy in
	HPA/*/resource-metric/*) needed="$needed metrics_server" ;;
	HPA/*/pod-metric/* | HPA/*/object | HPA/*/external) needed="$needed adapter" ;;
	VPA/*) needed="$needed vpa" ;;
	KEDA/*) needed="$needed keda" ;;
	Karpenter) needed="$needed karpenter" ;;
	monitoring) needed="$needed prometheus" ;;
	CPA/* | CAS) echo "install: $policy brings its controller along; apply it" >&2 ;;
	*) echo "install: $policy is no policy" >&2; exit 2 ;;
	esac
done
# shellcheck disable=SC2086
[ -z "$needed" ] || [ -n "$dry" ] || command -v helm >/dev/null 2>&1 || { echo "install: helm is missing; see https://helm.sh" >&2; exit 1; }

if wants vpa; then vpa; elif wants metrics_server; then metrics_server; fi
if wants adapter; then adapter; elif wants prometheus; then prometheus; fi
if wants keda; then keda; fi
if wants karpenter; then karpenter; fi
