#!/bin/sh
# Makes the pictures of docs/windtunnel.md anew: reports of runs of the wind tunnel, as Chromium shows them. It needs Go, Chromium and
# ffmpeg, and takes a minute or two. CHROMIUM names another browser.
set -eu

cd "$(dirname "$0")/.."
chromium=${CHROMIUM:-chromium}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd windtunnel && go build -o "$work/windtunnel" ./cmd/windtunnel)

# picture PAGE HEIGHT NAME is the upper part of a page, in few colours so that the file is small.
picture() {
	"$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-color-profile=srgb --blink-settings=preferredColorScheme=1 \
		--window-size="1120,$2" --screenshot="$work/$3.png" "file://$1" >"$work/chromium.log" 2>&1 || {
		cat "$work/chromium.log" >&2
		exit 1
	}
	ffmpeg -y -nostdin -v error -i "$work/$3.png" -vf 'split[a][b];[a]palettegen=max_colors=64:stats_mode=single[p];[b][p]paletteuse=dither=none' \
		-update 1 -frames:v 1 -compression_level 100 "docs/images/$3.png"
	ls -l "docs/images/$3.png"
}

"$work/windtunnel" run flash-crowd -o "$work/run.html" --manifests deploy/overlays/eks --manifests deploy/KEDA/caption-worker --manifests deploy/Karpenter \
	--manifests deploy/HPA/gateway-service/resource-metric/cpu --manifests deploy/HPA/auth-service/resource-metric/cpu \
	--manifests deploy/HPA/upload-service/resource-metric/cpu --manifests deploy/HPA/caption-service/resource-metric/cpu >"$work/run.txt"
picture "$work/run.html" 1240 windtunnel-run

hpa=deploy/HPA/gateway-service/resource-metric/cpu,deploy/HPA/auth-service/resource-metric/cpu
"$work/windtunnel" compare slow-image-pull --seeds 3 -o "$work/compare.html" \
	--policy "one worker=deploy/overlays/eks,$hpa" --policy "KEDA=deploy/overlays/eks,$hpa,deploy/KEDA/caption-worker" >"$work/compare.txt"
picture "$work/compare.html" 700 windtunnel-compare
