# HAProxy is only installed: each test has a configuration, and so a process, of its own. Read by `up` and `down`.

haproxy_program() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v haproxy
}

needs_haproxy() {
    haproxy_program >/dev/null || echo haproxy
}

start_haproxy() { haproxy_program >/dev/null; }
runs_haproxy() { haproxy_program >/dev/null; }
answers_haproxy() { haproxy_program >/dev/null; }
url_haproxy() { haproxy_program; }
log_haproxy() { echo /dev/null; }
stop_haproxy() { true; }
forget_haproxy() { true; }
