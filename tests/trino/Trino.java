// Trino, the engine that Athena is made of, on the Data Catalog and the S3 of the local AWS.
//
// AWS_ENDPOINT_URL, AWS_REGION and AWS_ACCESS_KEY_ID (an account's id, whose root Trino then is) say where they are.
// Prints "READY <URL>" once it answers, on the loopback interface and a port that the kernel picks, and ends when its
// standard input does, so that it never outlives whoever started it.

import io.trino.plugin.hive.HivePlugin;
import io.trino.testing.DistributedQueryRunner;
import io.trino.testing.TestingSession;

import java.io.OutputStream;
import java.util.HashMap;
import java.util.Map;

// As in Athena, where each error about a table names it with this catalog.
static final String CATALOG = "awsdatacatalog";

void main() throws Exception
{
    // The server's logging takes System.out for itself.
    var out = System.out;
    var session = TestingSession.testSessionBuilder().setCatalog(CATALOG).build();
    // No worker: the one server both plans queries and runs them.
    try (var server = DistributedQueryRunner.builder(session).setWorkerCount(0).build()) {
        server.installPlugin(new HivePlugin());
        server.createCatalog(CATALOG, "hive", catalog(System.getenv()));
        out.println("READY " + server.getCoordinator().getBaseUrl());
        System.in.transferTo(OutputStream.nullOutputStream());
    }
    // Threads that are still at work must not keep the process.
    System.exit(0);
}

static Map<String, String> catalog(Map<String, String> environment)
{
    var properties = new HashMap<>(Map.of(
            "hive.metastore", "glue",
            // As in Athena, where a table's folders are read however deep its files lie.
            "hive.recursive-directories", "true",
            "fs.s3.enabled", "true",
            "s3.path-style-access", "true"));
    for (var prefix : new String[] {"hive.metastore.glue.", "s3."}) {
        properties.put(prefix + "region", environment.get("AWS_REGION"));
        properties.put(prefix + "aws-access-key", environment.get("AWS_ACCESS_KEY_ID"));
        properties.put(prefix + "aws-secret-key", environment.get("AWS_SECRET_ACCESS_KEY"));
    }
    properties.put("hive.metastore.glue.endpoint-url", environment.get("AWS_ENDPOINT_URL"));
    properties.put("s3.endpoint", environment.get("AWS_ENDPOINT_URL"));
    return properties;
}
