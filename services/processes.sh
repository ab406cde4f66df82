# Where the servers live, and which processes are theirs. Read by `up` and `down`.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Each server has a directory here: its port, its process, its log and, mostly, what it stores.
directory=${TEST_SERVICES_DIR:-${CARGO_TARGET_DIR:-$here/../target}/services}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

# What was downloaded or built once serves all directories.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/assay-services
mkdir -p "$cache"

say() {
    echo "services: $*" >&2
}

# Numbers of processes are used again, so a process is known by its number and the moment it began. Prints nothing for
# one that has ended, whether or not its parent has taken note.
moment_of() {
    local state rest threads
    read -r state rest < <(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
    threads=("/proc/$1/task/"*)
    # Its first thread may end before the others, which hold its port until they end too.
    [ "$state" != Z ] || [ "${#threads[@]}" -gt 1 ] || return 1
    cut -d' ' -f19 <<<"$rest"
}

note_process() {
    echo "$2 $(moment_of "$2")" >"$directory/$1/pid"
}

# The number of a server's process while it runs.
process_of() {
    local number moment
    read -r number moment 2>/dev/null <"$directory/$1/pid" || return 1
    [ -n "$moment" ] && [ "$(moment_of "$number")" = "$moment" ] && echo "$number"
}

# Ends a server by the gentlest of the signals given that works.
stop_process() {
    local name=$1 number signal
    shift
    for signal in "$@" KILL; do
        number=$(process_of "$name") || break
        kill -CONT "$number" 2>/dev/null || true
        kill -"$signal" "$number" 2>/dev/null || true
        for _ in $(seq 100); do
            process_of "$name" >/dev/null || break
            sleep 0.1
        done
    done
    rm -f "$directory/$name/pid"
}

# A port nobody listens on, below those that the system gives to who asks for any.
free_port() {
    local port
    while true; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# The port a server had before, or a free one.
port_of() {
    [ -s "$directory/$1/port" ] || free_port >"$directory/$1/port"
    cat "$directory/$1/port"
}

# What the server at a port answers to a text.
ask() {
    timeout 10 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"; printf "$1" >&3; cat <&3' "$1" "$2" 2>/dev/null
}

# Waits until a server answers. Fails when it has ended, or says nothing for five minutes: a busy machine is slow.
wait_for() {
    local name=$1 end=$((SECONDS + 300))
    until "answers_$name"; do
        "runs_$name" || return 1
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# The addresses of all servers, for people and for shells.
write_env() {
    cat "$directory"/*/url 2>/dev/null | sort >"$directory/env.$$"
    mv "$directory/env.$$" "$directory/env"
}
