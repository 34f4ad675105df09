#!/bin/sh
# The web app. What it builds is committed as internal/frontend/dist, so that Go builds need no Node.js; see docs/adr.
#   web.sh build   build the app into internal/frontend/dist
#   web.sh check   check its types, its generated client, and that dist is what the sources build
#   web.sh test    run its unit tests, then the browser tests against the real program, and the journeys against the six
set -eu
cd "$(dirname "$0")/../web"

# The modules are installed again only when the lock file has changed.
install() {
	sum=$(cksum package-lock.json)
	[ "$(cat node_modules/.installed 2>/dev/null || true)" = "$sum" ] && return
	npm ci --no-audit --no-fund --loglevel=error
	echo "$sum" >node_modules/.installed
}

same_client() {
	mkdir -p ../build
	npx openapi-typescript ../api/openapi.yaml --output ../build/schema.d.ts >/dev/null
	cmp ../build/schema.d.ts src/api/schema.d.ts ||
		{ echo "web/src/api/schema.d.ts is not what api/openapi.yaml says; run: make web"; return 1; }
}

same_build() {
	npx vite build --logLevel warn --outDir ../build/web --emptyOutDir
	diff -r ../build/web ../internal/frontend/dist >/dev/null ||
		{ echo "internal/frontend/dist is not what web builds; run: make web"; return 1; }
}

install
case ${1-} in
build)
	npm run --silent generate
	npm run --silent build
	;;
check)
	npm run --silent types
	same_client
	same_build
	node scripts/size.mjs
	;;
test)
	npm run --silent test
	npm run --silent e2e
	CAPTIONS_DEPLOYMENT=six node --test e2e/journey.test.mjs
	;;
*)
	echo "usage: web.sh build|check|test" >&2
	exit 2
	;;
esac
