# PostgreSQL: a cluster of its own, safe against crashes as in production. Read by `up` and `down`.

postgres_programs() {
    local debian
    debian=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$debian" ]; then
        echo "$debian"
    else
        dirname "$(command -v pg_ctl)" 2>/dev/null
    fi
}

# PostgreSQL refuses to run as root, and whom it runs as then may be unable to enter our directory: then another is made.
postgres_home() {
    local place=$directory/postgres
    if [ ! -d "$(cat "$place/home" 2>/dev/null)" ]; then
        if as_postgres test -x "$place"; then
            mkdir -p "$place/data"
            echo "$place/data" >"$place/home"
        else
            mktemp -d /var/tmp/assay-postgres.XXXXXX >"$place/home"
        fi
        [ "$(id -u)" != 0 ] || chown postgres: "$(cat "$place/home")"
    fi
    cat "$place/home"
}

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u postgres -- "$@")
    else
        "$@"
    fi
}

needs_postgres() {
    [ -n "$(postgres_programs)" ] || echo postgresql
}

start_postgres() {
    local programs home port
    programs=$(postgres_programs)
    home=$(postgres_home)
    port=$(port_of postgres)
    if [ ! -f "$home/cluster/PG_VERSION" ]; then
        rm -rf "$home/new"
        # The locale's order of words is that of most installations, and not the order of bytes.
        as_postgres "$programs/initdb" -D "$home/new" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
            --locale-provider=icu --icu-locale=en-US >"$directory/postgres/initdb.log" 2>&1 9>&- || return 1
        mv "$home/new" "$home/cluster"
    fi
    # One that has ended keeps its number until somebody takes note of its end, and PostgreSQL takes it for one that runs.
    if [ -f "$home/cluster/postmaster.pid" ] && ! moment_of "$(head -n 1 "$home/cluster/postmaster.pid")" >/dev/null; then
        rm -f "$home/cluster/postmaster.pid"
    fi
    as_postgres "$programs/pg_ctl" -D "$home/cluster" -l "$home/log" -w -t 300 -o "-p $port -c fsync=on \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=300" \
        start </dev/null >/dev/null 2>&1 9>&- || return 1
    note_process postgres "$(head -n 1 "$home/cluster/postmaster.pid")"
}

runs_postgres() {
    process_of postgres >/dev/null
}

answers_postgres() {
    "$(postgres_programs)/pg_isready" -q -h 127.0.0.1 -p "$(port_of postgres)" -U postgres
}

url_postgres() {
    echo "postgres://postgres@127.0.0.1:$(port_of postgres)/postgres"
}

log_postgres() {
    echo "$(postgres_home)/log"
}

stop_postgres() {
    # INT asks it not to wait for its clients, QUIT not to tidy up.
    stop_process postgres INT QUIT
}

forget_postgres() {
    rm -rf "$(cat "$directory/postgres/home" 2>/dev/null || echo "$directory/postgres/data")"
}
