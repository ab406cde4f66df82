//! A database of a million reports, made by the database itself in a few statements.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::LARGE;

/// Newest change number of what is filled in: that of the last release.
pub const HEAD: i64 = 1_040_000;

/// An author of some twenty releases.
pub const AUTHOR: &str = "AUTH17";

/// Public id of a tester of a thousand reports.
pub const TESTER: &str = "00000000-0000-0000-0000-000000000017";

/// Id of a report that was filled in; it has no bytes that could be read.
pub const REPORT: &str = "00000000-0000-0000-0000-00000001e240";

/// Id of a report whose bytes retention has dropped.
pub const DROPPED: &str = "00000000-0000-0000-0000-000000000011";

/// Fills an empty database, lets it explain its statements, and gives the names of its large tables.
pub async fn fill(url: &str) -> BTreeSet<String> {
    let store = pipeline::store::Store::postgres(url).unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    let mut database = PgConnection::connect(url).await.unwrap();
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(indexname AS TEXT), indexdef FROM pg_indexes WHERE tablename IN ('reports', 'extracts') \
         AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    // Indexes are made afterwards, which is quicker; nobody needs this database after a crash.
    for (name, _) in &indexes {
        run(&mut database, format!("DROP INDEX {name}")).await;
    }
    for statement in FILL {
        run(&mut database, (*statement).to_owned()).await;
    }
    for (_, statement) in indexes {
        run(&mut database, statement).await;
    }
    run(&mut database, "VACUUM (ANALYZE)".to_owned()).await;
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut database).await.unwrap();
    for setting in EXPLAIN {
        run(&mut database, format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    let large: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relkind = 'r' AND NOT relispartition AND reltuples > $1 \
         UNION SELECT CAST(parent.relname AS TEXT) FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid \
         JOIN pg_class AS parent ON parent.oid = inhparent WHERE parent.relkind = 'p' \
         GROUP BY parent.relname HAVING sum(child.reltuples) > $1",
    )
    .bind(LARGE)
    .fetch_all(&mut database)
    .await
    .unwrap();
    large.into_iter().collect()
}

async fn run(database: &mut PgConnection, statement: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *database).await;
    done.unwrap_or_else(|error| panic!("{error}: {statement}"));
}

/// Every statement is explained, with the rows it met, to who sent it.
const EXPLAIN: &[&str] = &[
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_analyze = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_format = json",
    "auto_explain.log_level = warning",
];

/// 40,000 releases of 8,000 distributions by 2,000 authors, 120,000 uploads; 1,000 testers; a million reports in 125,000 groups, over two
/// and a half years. One system, one architecture and one perl are rare.
const FILL: &[&str] = &[
    "SET synchronous_commit = off; SET session_replication_role = replica; SET maintenance_work_mem = '256MB'",
    "ALTER TABLE extracts SET UNLOGGED; ALTER TABLE attempts SET UNLOGGED; ALTER TABLE matrix_cells SET UNLOGGED",
    "INSERT INTO testers (id, door, identity, name, pass, created_at) \
     SELECT '00000000-0000-0000-0000-' || lpad(CAST(n AS TEXT), 12, '0'), 'anonymous', 'tester' || n || '@example.org', \
     'Tester ' || n, 1000, '2024-01-01' FROM generate_series(1, 1000) AS n",
    "INSERT INTO releases (language, distribution, version, author, archive, developer, change_number, changed_at) \
     SELECT 'perl', 'Dist-' || n % 8000, n / 8000 || '.0', 'AUTH' || n % 2000, 'Dist-' || n % 8000 || '.tar.gz', \
     n % 10 = 0, 1000000 + n, TIMESTAMPTZ '2026-07-01' + n * INTERVAL '1 minute' FROM generate_series(1, 40000) AS n",
    "INSERT INTO uploads (language, distribution, version, author, filename, released_at, kind, seen_at) \
     SELECT 'perl', 'Dist-' || n % 8000, n / 8000 || '.0', 'AUTH' || n % 2000, 'Dist-' || n % 8000 || '.tar.gz', \
     TIMESTAMPTZ '2018-01-01' + n * INTERVAL '20 minutes', 'cpan', '2026-07-01' FROM generate_series(1, 120000) AS n",
    "INSERT INTO summaries SELECT number, FALSE, FALSE, 22, 3, 0, 0 FROM releases",
    "INSERT INTO matrix_cells SELECT number, '5.' || 2 * perl || '.0', os, os || '-thread', 2, 1, 0, 0 \
     FROM releases CROSS JOIN unnest(ARRAY['linux', 'freebsd', 'darwin']) AS os CROSS JOIN generate_series(16, 18) AS perl",
    "INSERT INTO groups (reports, created_at, settled_at) SELECT 8, at, at FROM generate_series(1, 125000) AS n \
     CROSS JOIN LATERAL (SELECT TIMESTAMPTZ '2024-01-01' + n * INTERVAL '640 seconds') AS made (at)",
    "INSERT INTO attempts (group_number, attempt, worker, started_at, ended_at, outcome) \
     SELECT number, 1, 'worker', created_at, created_at, 'done' FROM groups",
    "INSERT INTO reports (id, digest, door, tester, received_at, group_number, state) \
     SELECT CAST(lpad(to_hex(n), 32, '0') AS UUID), decode(lpad(to_hex(n), 64, '0'), 'hex'), 'v3', n % 997 + 1, \
     TIMESTAMPTZ '2024-01-01' + n * INTERVAL '80 seconds', (n - 1) / 8 + 1, \
     CASE WHEN n % 100000 = 0 THEN 'parked' ELSE 'processed' END FROM generate_series(1, 1000000) AS n",
    "DO $$ BEGIN FOR month IN 0..30 LOOP EXECUTE format('CREATE TABLE bodies_%s PARTITION OF bodies FOR VALUES FROM (%L) \
     TO (%L)', to_char(TIMESTAMP '2024-01-01' + month * INTERVAL '1 month', 'YYYY_MM'), \
     TIMESTAMP '2024-01-01' + month * INTERVAL '1 month', TIMESTAMP '2024-02-01' + month * INTERVAL '1 month'); \
     END LOOP; END $$",
    "INSERT INTO bodies SELECT number, received_at, 0, 1, '\\x00' FROM reports",
    "DROP TABLE bodies_2024_01",
    "INSERT INTO dropped_months (place, month, begins_at, ends_at, bodies, bytes, begun_at, ended_at) \
     VALUES ('bodies', '2024-01', '2024-01-01', '2024-02-01', 33480, 33480, '2026-07-01', '2026-07-01')",
    "INSERT INTO extracts (number, change_number, changed_at, extractor, release, tester, grade, language_version, \
     development, patched, os, architecture, received_at, document) \
     SELECT number, number, received_at + INTERVAL '1 minute', 1, release, tester, grade, perl, FALSE, FALSE, os, \
     CASE WHEN number % 5000 = 7 THEN 's390x-linux' ELSE 'x86_64-' || os END, received_at, \
     format('{\"id\":\"%s\",\"number\":%s,\"distribution\":\"Dist-%s\",\"version\":\"%s.0\",\"author\":\"AUTH%s\",\
     \"grade\":\"%s\",\"language\":\"perl\",\"language_version\":\"%s\",\"os\":\"%s\",\"osname\":\"%s\",\
     \"os_version\":\"1\",\"architecture\":\"x86_64-%s\",\"tester_id\":\"00000000-0000-0000-0000-%s\",\
     \"tester\":\"Tester %s\",\"created_at\":\"2024-01-01T00:00:00Z\",\"received_at\":\"2024-01-01T00:00:00Z\"}', \
     id, number, release % 8000, release / 8000, release % 2000, grade, perl, os, os, os, \
     lpad(CAST(tester AS TEXT), 12, '0'), tester) \
     FROM (SELECT *, number * 7 % 40000 + 1 AS release, \
       CASE WHEN number % 10 = 3 THEN 'fail' WHEN number % 100 = 5 THEN 'na' WHEN number % 100 = 6 THEN 'unknown' \
         ELSE 'pass' END AS grade, \
       CASE WHEN number % 5000 = 8 THEN '5.8.9' ELSE '5.' || 2 * (16 + number % 3) || '.0' END AS perl, \
       CASE WHEN number % 5000 = 9 THEN 'haiku' WHEN number % 4 = 0 THEN 'freebsd' ELSE 'linux' END AS os \
       FROM reports WHERE state = 'processed') AS made",
    "INSERT INTO withdrawals SELECT number, 'invalid', 'spam', 'operator', 'token', received_at, 'kept' FROM reports \
     WHERE number % 2000 = 1",
    "UPDATE counters SET value = 1040000 WHERE name = 'changes'",
];
