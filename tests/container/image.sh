#!/bin/sh
# An image of PostgreSQL 15 from the distribution's packages, for machines that reach no registry of images.
# It takes POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and a command `postgres -c NAME=VALUE …`, as the official ones do.
set -eu
image=$1
docker image inspect "$image" >/dev/null 2>&1 && exit 0
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
debootstrap --variant=minbase --include=postgresql-15 bookworm "$tree" >/dev/null
rm -f "$tree"/var/cache/apt/archives/*.deb
cat >"$tree/usr/local/bin/entry" <<'ENTRY'
#!/bin/sh
set -e
PATH=/usr/lib/postgresql/15/bin:$PATH
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  install -d -o postgres -g postgres -m 700 $data
  install -d -o postgres -g postgres /var/run/postgresql
  exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
[ "$1" = postgres ] && shift
printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
initdb -D $data -U "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --no-sync \
  ${POSTGRES_INITDB_ARGS:-} >/dev/null
echo "host all all all scram-sha-256" >>$data/pg_hba.conf
if [ "$POSTGRES_DB" != postgres ]; then
  pg_ctl -D $data -w -o "-c listen_addresses=''" start >/dev/null
  createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -D $data -w -m fast stop >/dev/null
fi
exec postgres -D $data -c listen_addresses='*' "$@"
ENTRY
chmod 755 "$tree/usr/local/bin/entry"
tar -C "$tree" -c --exclude=./proc --exclude=./sys . |
  docker import -c 'ENTRYPOINT ["/usr/local/bin/entry"]' -c 'CMD ["postgres"]' - "$image" >/dev/null
