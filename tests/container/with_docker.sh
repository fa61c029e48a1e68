#!/bin/sh
# Runs a command with a Docker daemon that answers: the one that is there, else one of its own, which ends with it.
# The port of a container is passed on by Docker's own proxy, so that no rule of the machine's firewall is touched.
set -eu
export CONTAINER_IMAGE=refund-harness-test:15 TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
here=$(dirname "$0")
if ! docker info >/dev/null 2>&1; then
  place=$(mktemp -d)
  export DOCKER_HOST="unix://$place/docker.sock"
  dockerd --data-root "$place/data" --exec-root "$place/exec" --pidfile "$place/pid" -H "$DOCKER_HOST" \
    --iptables=false --ip6tables=false >"$place/log" 2>&1 &
  daemon=$!
  trap 'kill $daemon; wait $daemon || true; rm -rf "$place"' EXIT
  tries=0
  until docker info >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ]; then tail "$place/log" >&2; exit 4; fi
    sleep 0.2
  done
fi
"$here/image.sh" "$CONTAINER_IMAGE"
"$@"
