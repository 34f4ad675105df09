#!/bin/sh
# Debian's RabbitMQ with the settings that the official image takes from its environment, and with its files in one volume.
set -eu
dir=/var/lib/rabbitmq
mkdir -p "$dir/etc"
export HOME="$dir/home"
mkdir -p "$HOME"
[ -f "$HOME/.erlang.cookie" ] || { head -c 24 /dev/urandom | base64 | tr -d '\n' >"$HOME/.erlang.cookie"; chmod 400 "$HOME/.erlang.cookie"; }
cat >"$dir/etc/rabbitmq.conf" <<END
listeners.tcp.1 = 0.0.0.0:5672
management.tcp.ip = 0.0.0.0
management.tcp.port = 15672
default_user = $RABBITMQ_DEFAULT_USER
default_pass = $RABBITMQ_DEFAULT_PASS
default_vhost = $RABBITMQ_DEFAULT_VHOST
loopback_users = none
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
collect_statistics_interval = 1000
consumer_timeout = 3660000
log.console = true
log.file = false
END
echo '[rabbitmq_management].' >"$dir/etc/enabled_plugins"
# Figures of queues without half a minute in between.
echo '[{rabbit, [{quorum_tick_interval, 500}, {channel_tick_interval, 500}]}].' >"$dir/etc/advanced.config"
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE="$dir/etc/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$dir/etc/advanced.config" \
	RABBITMQ_ENABLED_PLUGINS_FILE="$dir/etc/enabled_plugins" RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" \
	RABBITMQ_PID_FILE="$dir/rabbit.pid" ERL_EPMD_ADDRESS=127.0.0.1 RUNNING_UNDER_SYSTEMD=true \
	RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none'
cd "$dir"
exec /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server
