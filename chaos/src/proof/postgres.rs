//! What is found in a PostgreSQL database, after its server was killed again and again.

use anyhow::Context as _;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::database::Contents;

/// What is not as it has to be when every page, index and constraint is as it was written: each row is one fault.
const STANDING: [(&str, &str); 2] = [
    (
        "an index that is not valid",
        "SELECT CAST(CAST(indexrelid AS REGCLASS) AS TEXT) FROM pg_index \
                                    WHERE NOT indisvalid OR NOT indisready",
    ),
    ("a constraint that was never checked", "SELECT CAST(conname AS TEXT) FROM pg_constraint WHERE NOT convalidated"),
];

/// Tables as they lie on the disk, and trees whose entries all have their rows, and the other way round.
const TABLES: &str = "SELECT CAST(CAST(oid AS REGCLASS) AS TEXT) FROM pg_class \
                      WHERE relkind = 'r' AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)";
const TREES: &str = "SELECT CAST(CAST(pg_class.oid AS REGCLASS) AS TEXT) FROM pg_class JOIN pg_am ON pg_am.oid = relam \
                     WHERE relkind = 'i' AND amname = 'btree' AND relpersistence = 'p'";

/// For each foreign key, how rows that point at nothing are counted.
const KEYS: &str = "\
    SELECT CAST(conname AS TEXT), format('SELECT count(*) FROM %s child WHERE ROW(%s) IS NOT NULL AND NOT EXISTS \
               (SELECT FROM %s parent WHERE ROW(%s) = ROW(%s))', CAST(conrelid AS REGCLASS), \
           string_agg(format('child.%I', here.attname), ', ' ORDER BY place), CAST(confrelid AS REGCLASS), \
           string_agg(format('child.%I', here.attname), ', ' ORDER BY place), \
           string_agg(format('parent.%I', there.attname), ', ' ORDER BY place)) \
      FROM pg_constraint CROSS JOIN LATERAL unnest(conkey, confkey) WITH ORDINALITY AS pairs (child, parent, place) \
      JOIN pg_attribute here ON here.attrelid = conrelid AND here.attnum = child \
      JOIN pg_attribute there ON there.attrelid = confrelid AND there.attnum = parent \
     WHERE contype = 'f' AND conparentid = 0 GROUP BY pg_constraint.oid, conname, conrelid, confrelid";

pub(super) async fn read(url: &str) -> anyhow::Result<Contents> {
    let pool =
        PgPoolOptions::new().max_connections(1).connect(url).await.context("the database could not be opened")?;
    let mut contents = Contents::default();
    for (what, sql) in STANDING {
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&pool).await.context(what)?;
        contents.faults.extend(found.into_iter().map(|fault| (what.to_owned(), fault)));
        contents.looked_at += 1;
    }
    verify(&pool, &mut contents).await?;
    follow_keys(&pool, &mut contents).await?;
    contents.open_groups =
        sqlx::query_scalar("SELECT count(*) FROM groups WHERE settled_at IS NULL").fetch_one(&pool).await?;
    let removed: Vec<(String, i64)> = sqlx::query_as(
        "SELECT replace(CAST(reports.id AS TEXT), '-', ''), change_number \
         FROM extracts JOIN reports ON reports.number = extracts.number WHERE removed",
    )
    .fetch_all(&pool)
    .await?;
    contents.removed = removed.into_iter().collect();
    let superseded: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT replace(CAST(reports.id AS TEXT), '-', ''), superseded_bodies.revision, \
                encode(superseded_bodies.digest, 'hex') \
         FROM superseded_bodies JOIN reports ON reports.number = superseded_bodies.number",
    )
    .fetch_all(&pool)
    .await?;
    contents.superseded = superseded.into_iter().map(|(id, revision, digest)| ((id, revision), digest)).collect();
    pool.close().await;
    Ok(contents)
}

/// Lets PostgreSQL check its files, by an extension that comes with it.
async fn verify(pool: &PgPool, contents: &mut Contents) -> anyhow::Result<()> {
    let made = sqlx::query("CREATE EXTENSION IF NOT EXISTS amcheck").execute(pool).await;
    made.context("the extension amcheck is not there: it comes with PostgreSQL's contributions")?;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(pool).await?;
    for table in &tables {
        let sql = "SELECT msg FROM verify_heapam(CAST($1 AS REGCLASS))";
        let found: Vec<String> = sqlx::query_scalar(sql).bind(table).fetch_all(pool).await?;
        contents.faults.extend(found.into_iter().map(|fault| (table.clone(), fault)));
    }
    let trees: Vec<String> = sqlx::query_scalar(TREES).fetch_all(pool).await?;
    for tree in &trees {
        let checked = sqlx::query("SELECT bt_index_check(CAST($1 AS REGCLASS), true)").bind(tree).execute(pool).await;
        contents.faults.extend(checked.err().map(|error| (tree.clone(), error.to_string())));
    }
    contents.looked_at += (tables.len() + trees.len()) as u64;
    Ok(())
}

async fn follow_keys(pool: &PgPool, contents: &mut Contents) -> anyhow::Result<()> {
    let keys: Vec<(String, String)> = sqlx::query_as(KEYS).fetch_all(pool).await?;
    anyhow::ensure!(!keys.is_empty(), "the database has no foreign keys");
    for (name, sql) in keys {
        // Made of the names that PostgreSQL itself has for its tables and columns.
        let strangers: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await?;
        if strangers > 0 {
            contents.faults.push((name, format!("{strangers} rows point at nothing")));
        }
        contents.looked_at += 1;
    }
    Ok(())
}
