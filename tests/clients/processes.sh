# Sourced by the run scripts: starts the upstream and the gateway on free ports, stops them when the script ends.

started=()
stop_all() { kill "${started[@]}" 2>/dev/null && wait "${started[@]}" 2>/dev/null || true; }
trap stop_all EXIT

# Waits until a command succeeds; gives up after 30 s, or as soon as the process started last is gone.
await() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@"; do
        if ! kill -0 "${started[-1]}" 2>/dev/null; then echo "$what ended before it was ready" >&2; return 1; fi
        if ((SECONDS >= deadline)); then echo "$what was not ready in time" >&2; return 1; fi
        sleep 0.05
    done
}

# free_ports COUNT: that many different ones, on one line.
free_ports() {
    python3 - "$1" <<'END'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))
END
}

# start_upstream UPSTREAM_PY WORK_DIR: sets upstream_port.
start_upstream() {
    python3 "$1" 0 >"$2/upstream.port" &
    started+=($!)
    await "the upstream" test -s "$2/upstream.port"
    upstream_port=$(<"$2/upstream.port")
}

# start_gateway LOG ADMIN_PORT DRAWBRIDGE ARGUMENT...: returns when it is ready.
start_gateway() {
    local log=$1 admin_port=$2
    shift 2
    "$@" >"$log" 2>&1 &
    started+=($!)
    if ! await "$*" curl --silent --fail --output /dev/null "http://127.0.0.1:$admin_port/readyz"; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

# check_gateway LOG: fails when the gateway, started last, has ended by itself.
check_gateway() {
    if kill -0 "${started[-1]}" 2>/dev/null; then return; fi
    echo "FAIL the gateway ended while it was tested:"
    tail -n 20 "$1"
    return 1
}
