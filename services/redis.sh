# Redis, with its append-only file, so that it can be killed and started again. Read by `up` and `down`.

needs_redis() {
    command -v redis-server >/dev/null || echo redis-server
}

start_redis() {
    local place=$directory/redis
    mkdir -p "$place/data"
    setsid redis-server --port "$(port_of redis)" --bind 127.0.0.1 --dir "$place/data" --daemonize no --save "" \
        --appendonly yes --appendfsync everysec </dev/null >>"$place/log" 2>&1 9>&- &
    note_process redis $!
}

runs_redis() {
    process_of redis >/dev/null
}

answers_redis() {
    # One that still reads its file answers with LOADING.
    [[ $(ask "$(port_of redis)" 'PING\r\nQUIT\r\n') == +PONG* ]]
}

url_redis() {
    echo "redis://127.0.0.1:$(port_of redis)"
}

log_redis() {
    echo "$directory/redis/log"
}

stop_redis() {
    stop_process redis TERM
}

forget_redis() {
    rm -rf "$directory/redis/data"
}
