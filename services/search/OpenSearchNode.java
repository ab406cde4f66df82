// One OpenSearch node for tests, out of its Maven artefacts. Settings are given as key=value arguments.

import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

public class OpenSearchNode extends Node {
    private OpenSearchNode(Environment environment) {
        super(environment, List.of(Netty4Plugin.class, ReindexPlugin.class), false);
    }

    public static void main(String[] arguments) throws Exception {
        var settings = Settings.builder();
        for (var argument : arguments) {
            var parts = argument.split("=", 2);
            settings.put(parts[0], parts[1]);
        }
        var name = settings.get("node.name");
        var environment = InternalSettingsPreparer.prepareEnvironment(settings.build(), Map.of(), null, () -> name);
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName(name);
        LogConfigurator.configure(environment);
        var node = new OpenSearchNode(environment);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node)));
        node.start();
        // All threads of a node are daemons: without one that waits, the process would end here.
        new CountDownLatch(1).await();
    }

    private static void stop(Node node) {
        try {
            node.close();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
