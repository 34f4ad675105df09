#!/bin/sh
# Debian's PostgreSQL with the settings that the official image takes from its environment.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	# Made elsewhere and moved when it is whole, so that a pod that is killed meanwhile begins anew.
	rm -rf "$PGDATA.new"
	echo "$POSTGRES_PASSWORD" | initdb --pgdata="$PGDATA.new" --username="$POSTGRES_USER" --pwfile=/dev/stdin \
		--auth-host=scram-sha-256 --auth-local=trust --encoding=UTF8 --locale=C --no-sync
	echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
	echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -D "$PGDATA.new" -c unix_socket_directories=/tmp postgres
	mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp
