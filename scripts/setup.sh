#!/bin/sh
# Installs the system packages that the named groups need and that are missing: run, test, services,
# race, lint, web, browser, monitoring, images, cluster, bench.
# As root, or with sudo that asks for no password, it does so through apt; else it prints the one command to type.
# The variables SETUP_MODEL and SETUP_TESTDATA say where to look for the speech model and the recorded speech.
set -eu

model=${SETUP_MODEL:-/usr/share/pocketsphinx/model/en-us/en-us.lm.bin}
testdata=${SETUP_TESTDATA:-/usr/share/pocketsphinx/test/data/librivox/transcription}
debian=
brew=
units=
# Servers are there, and not on the path of every user.
PATH=$PATH:/usr/sbin
for bin in /usr/lib/postgresql/*/bin; do PATH=$PATH:$bin; done

# missing DEBIAN_PACKAGE BREW_FORMULA notes a package that must be installed; "-" where Homebrew has none.
missing() {
	debian="$debian $1"
	[ "$2" = - ] || brew="$brew $2"
}

# program NAME DEBIAN_PACKAGE BREW_FORMULA asks for a program on the path.
program() {
	command -v "$1" >/dev/null 2>&1 || missing "$2" "$3"
}

# server is program for a package that would start a server of its own name at once and at each boot. The tests start
# their own, on other ports and folders; all they need is the files.
server() {
	command -v "$1" >/dev/null 2>&1 || units="$units $2.service"
	program "$1" "$2" "$3"
}

is_mac() { [ "$(uname -s)" = Darwin ]; }

if ! command -v go >/dev/null 2>&1; then
	echo "Go is missing. Please install it from https://go.dev/dl (1.21 or newer fetches the right version itself), then try again." >&2
	exit 1
fi
for group in "$@"; do
	case $group in
	run)
		program ffmpeg ffmpeg ffmpeg
		program pocketsphinx_batch pocketsphinx cmu-pocketsphinx
		# The Homebrew formula contains the model; on Debian it is a package of its own, and only recommended.
		is_mac || [ -e "$model" ] || missing pocketsphinx-en-us -
		;;
	test)
		program flite flite flite
		is_mac || [ -e "$testdata" ] || missing pocketsphinx-testdata -
		;;
	services)
		server rabbitmq-server rabbitmq-server rabbitmq
		server redis-server redis-server redis
		server postgres postgresql postgresql
		;;
	race)
		if ! command -v "${CC:-gcc}" >/dev/null 2>&1; then
			missing gcc gcc
			missing libc6-dev -
		fi
		;;
	monitoring)
		# promtool, which tests alert rules, comes with the server.
		command -v promtool >/dev/null 2>&1 || { units="$units prometheus.service"; missing prometheus prometheus; }
		;;
	lint) program shellcheck shellcheck shellcheck ;;
	web)
		# Distributions have older ones, so this is not a package to install.
		if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null; then
			echo "Node.js 20.19 or newer is missing. Please install it from https://nodejs.org, then try again." >&2
			exit 1
		fi
		program npm npm node
		;;
	bench)
		server nginx nginx nginx
		server caddy caddy caddy
		program wrk wrk wrk
		;;
	images)
		program buildah buildah -
		program debootstrap debootstrap -
		program curl curl curl
		;;
	cluster)
		# runc is not started by hand, and iptables is where only root looks.
		program runc runc -
		program iptables iptables -
		[ -e /usr/lib/cni/ptp ] || missing containernetworking-plugins -
		;;
	browser) is_mac || program "${CHROMIUM:-chromium}" chromium - ;;
	*)
		echo "setup: unknown group $group; the groups are run, test, services, race, lint, web, browser, monitoring, images, cluster and bench" >&2
		exit 2
		;;
	esac
done

[ -n "$debian$brew" ] || exit 0

if is_mac; then
	echo "Some programs are missing. Please install them with this command, then try again:" >&2
	echo "    brew install$brew" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "These programs are missing; please install them (the names are Debian's), then try again:$debian" >&2
	exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
	if ! sudo -n true >/dev/null 2>&1; then
		echo "Some programs are missing. Please install them with this command, then try again:" >&2
		echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends$debian" >&2
		exit 1
	fi
	sudo="sudo -n"
fi

echo "Installing$debian" >&2
# The words of $sudo and $debian are meant to be split. A package source that cannot be reached is no reason to stop: the
# packages may be known already.
# shellcheck disable=SC2086
$sudo apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 || echo "setup: the package lists could not all be refreshed; going on" >&2
# A masked unit cannot be started by the package's scripts; where there is no systemd, RUNLEVEL=1 says the same. Afterwards
# the units are as an administrator finds those of a server that is installed and not wanted: known, and disabled.
command -v systemctl >/dev/null 2>&1 || units=
# shellcheck disable=SC2086
[ -z "$units" ] || $sudo systemctl -q mask $units >&2
status=0
# shellcheck disable=SC2086
$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $debian >&2 || status=$?
if [ -n "$units" ]; then
	# shellcheck disable=SC2086
	$sudo systemctl -q unmask $units >&2
	# shellcheck disable=SC2086
	$sudo systemctl -q disable $units >&2
fi
exit $status
