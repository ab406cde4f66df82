// One Elasticsearch node for tests, out of its Maven artefacts. Settings are given as key=value arguments.

import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.bootstrap.BootstrapInfo;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

public class ElasticsearchNode {
    public static void main(String[] arguments) throws Exception {
        var settings = Settings.builder();
        for (var argument : arguments) {
            var parts = argument.split("=", 2);
            settings.put(parts[0], parts[1]);
        }
        var name = settings.get("node.name");
        var environment = InternalSettingsPreparer.prepareEnvironment(settings.build(), Map.of(), null, () -> name);
        BootstrapInfo.init();
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName(name);
        LogConfigurator.configure(environment, true);
        var modules = PluginsLoader.loadModulesBundles(environment.modulesDir());
        var node = new Node(environment, PluginsLoader.createPluginsLoader(modules, Set.of(), Map.of(), false));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node)));
        node.start();
        // All threads of a node are daemons: without one that waits, the process would end here.
        new CountDownLatch(1).await();
    }

    private static void stop(Node node) {
        try {
            node.prepareForClose();
            node.close();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
