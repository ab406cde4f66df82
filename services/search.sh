# Elasticsearch and OpenSearch, put together from what Maven Central serves of them: no security, no modules but the
# transport. Each node is a Java process of its own. Read by `up` and `down`.

needs_search() {
    command -v java >/dev/null && command -v javac >/dev/null || echo default-jdk-headless
    command -v mvn >/dev/null || echo maven
}

# An engine's home: its libraries, the program that starts a node, its settings. Made when missing.
search_home() {
    local engine=$1 home
    home=$cache/$engine-$(cat "$here"/search/* | sha256sum | cut -c1-16)
    (
        flock 8
        [ -d "$home" ] || lay_out "$engine" "$home.new" && { [ -d "$home" ] || mv "$home.new" "$home"; }
    ) 8>"$cache/$engine.lock" >"$directory/$engine.layout.log" 2>&1 || return 1
    echo "$home"
}

lay_out() {
    local engine=$1 home=$2
    rm -rf "$home"
    mkdir -p "$home/config" "$home/modules"
    cp "$here/search/log4j2.properties" "$home/config/"
    : >"$home/config/$engine.yml"
    echo "downloading $engine"
    mvn -q -B -C -f "$here/search/$engine.xml" -DincludeScope=runtime -DoutputDirectory="$home/lib" \
        org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies || return 1
    javac -cp "$home/lib/*" -d "$home/classes" "$here/search/$(search_program "$engine").java" || return 1
    if [ "$engine" = elasticsearch ]; then
        # It finds its transport among its modules only.
        mkdir "$home/modules/transport-netty4"
        mv "$home"/lib/{netty-,transport-netty4-,elasticsearch-ssl-config-}*.jar "$home/modules/transport-netty4/"
        cp "$here/search/plugin-descriptor.properties" "$home/modules/transport-netty4/"
    fi
}

search_program() {
    case $1 in
        elasticsearch) echo ElasticsearchNode ;;
        opensearch) echo OpenSearchNode ;;
    esac
}

# Starts the node of this name: its engine, megabytes of heap, ports for HTTP and between nodes, further settings.
start_node() {
    local name=$1 engine=$2 heap=$3 http=$4 transport=$5 home place
    shift 5
    home=$(search_home "$engine") || return 1
    place=$directory/$name
    mkdir -p "$place/temporary"
    # The quick compiler alone takes less than half the work to start, and tests ask little; a bench asks for both. A
    # disk that is rather full is no reason for tests to fail.
    setsid java "-Xms${heap}m" "-Xmx${heap}m" -XX:+UseSerialGC \
        "${TEST_JAVA_OPTION:--XX:TieredStopAtLevel=1}" "-Djava.io.tmpdir=$place/temporary" \
        -cp "$home/classes:$home/lib/*" "$(search_program "$engine")" \
        path.home="$home" path.data="$place/data" path.logs="$place/logs" node.name="${name//\//-}" \
        network.host=127.0.0.1 http.port="$http" transport.port="$transport" node.processors=2 \
        cluster.routing.allocation.disk.threshold_enabled=false "$@" </dev/null >>"$place/log" 2>&1 9>&- &
    note_process "$name" $!
}

start_single() {
    start_node "$1" "$1" "${TEST_JAVA_HEAP:-256}" "$(port_of "$1")" "$(free_port)" cluster.name="assay-$1" discovery.type=single-node
}

needs_elasticsearch() { needs_search; }
start_elasticsearch() { start_single elasticsearch; }
runs_elasticsearch() { process_of elasticsearch >/dev/null; }
answers_elasticsearch() { node_answers elasticsearch 1; }
url_elasticsearch() { echo "http://127.0.0.1:$(port_of elasticsearch)"; }
log_elasticsearch() { echo "$directory/elasticsearch/log"; }
stop_elasticsearch() { stop_process elasticsearch TERM; }
forget_elasticsearch() { rm -rf "$directory/elasticsearch/"{data,logs,temporary}; }

needs_opensearch() { needs_search; }
start_opensearch() { start_single opensearch; }
runs_opensearch() { process_of opensearch >/dev/null; }
answers_opensearch() { node_answers opensearch 1; }
url_opensearch() { echo "http://127.0.0.1:$(port_of opensearch)"; }
log_opensearch() { echo "$directory/opensearch/log"; }
stop_opensearch() { stop_process opensearch TERM; }
forget_opensearch() { rm -rf "$directory/opensearch/"{data,logs,temporary}; }

# A node answers when it belongs to a cluster of so many, and all that is stored can be read.
node_answers() {
    local answer
    answer=$(ask "$(port_of "$1")" 'GET /_cluster/health HTTP/1.0\r\n\r\n') || return 1
    [[ $answer == *'"number_of_nodes":'$2,* && $answer != *'"status":"red"'* ]]
}

# A cluster of three. A node that has ended is started again among the others, with what it had.

cluster_nodes=(elasticsearch3/1 elasticsearch3/2 elasticsearch3/3)

needs_elasticsearch3() { needs_search; }

start_elasticsearch3() {
    local name seeds=()
    mkdir -p "${cluster_nodes[@]/#/$directory/}"
    for name in "${cluster_nodes[@]}"; do
        [ -s "$directory/$name/transport" ] || free_port >"$directory/$name/transport"
        seeds+=("127.0.0.1:$(cat "$directory/$name/transport")")
    done
    for name in "${cluster_nodes[@]}"; do
        process_of "$name" >/dev/null || start_node "$name" elasticsearch 192 "$(port_of "$name")" \
            "$(cat "$directory/$name/transport")" cluster.name=assay-elasticsearch3 \
            discovery.seed_hosts="$(IFS=,; echo "${seeds[*]}")" \
            cluster.initial_master_nodes="$(IFS=,; echo "${cluster_nodes[*]//\//-}")" || return 1
    done
}

runs_elasticsearch3() {
    local name
    for name in "${cluster_nodes[@]}"; do
        process_of "$name" >/dev/null || return 1
    done
}

answers_elasticsearch3() {
    local name
    for name in "${cluster_nodes[@]}"; do
        node_answers "$name" 3 || return 1
    done
}

url_elasticsearch3() {
    local name urls=()
    for name in "${cluster_nodes[@]}"; do
        urls+=("http://127.0.0.1:$(port_of "$name")")
    done
    echo "$(IFS=,; echo "${urls[*]}")"
}

log_elasticsearch3() { echo "$directory/elasticsearch3/*/log"; }

stop_elasticsearch3() {
    local name
    for name in "${cluster_nodes[@]}"; do
        stop_process "$name" TERM
    done
}

forget_elasticsearch3() {
    rm -rf "$directory/elasticsearch3"/*/{data,logs,temporary}
}
