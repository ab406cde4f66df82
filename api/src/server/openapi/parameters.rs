//! Parameters and the shape of a submitted report, as the document tells of them.

use serde_json::{Value, json};

/// A parameter by its name in the table, which differs from its own where one name has two meanings.
pub(super) fn parameter(name: &str) -> Value {
    let text = json!({"type": "string"});
    let (place, own, about, schema) = match name {
        "reason" => ("query", "reason", "Why, in words that everybody may read; required.", text),
        "as" => (
            "query",
            "as",
            "`retracted` when left out; `invalid` is for operators.",
            json!({"type": "string", "enum": ["retracted", "invalid"]}),
        ),
        "body" => (
            "query",
            "body",
            "What becomes of the bytes: `keep` when left out. The digest stays in either case.",
            json!({"type": "string", "enum": ["keep", "purge"]}),
        ),
        "id" => ("path", "id", "The report's id.", json!({"type": "string", "format": "uuid"})),
        "distribution" => ("path", "distribution", "Name of the distribution, as `Foo-Bar`.", text),
        "version" => ("path", "version", "Version of the release.", text),
        "author" => ("path", "id", "The author's CPAN id.", text),
        "tester" => ("path", "id", "The tester's public id.", text),
        "token" => ("path", "id", "The token's id.", text),
        "job" => ("path", "number", "The job's number.", json!({"type": "integer", "minimum": 1})),
        "job_state" => (
            "query",
            "state",
            "In this state.",
            json!({"type": "string", "enum": ["waiting", "running", "done", "parked"]}),
        ),
        "prefer" => ("header", "Prefer", "`wait=N`: hold the answer for up to N seconds, at most 60.", text),
        "wait" => ("query", "wait", "Seconds to wait, at most 60.", json!({"type": "integer", "minimum": 0})),
        "language" => (
            "query",
            "language",
            "The language; perl when left out of a single release.",
            json!({"type": "string", "enum": ["perl", "raku"]}),
        ),
        "axes" => (
            "query",
            "axes",
            "One to three of version, language_version, os, architecture, by commas; \
            `language_version,os` when left out.",
            text,
        ),
        "by_distribution" => ("query", "distribution", "Of this distribution.", text),
        "by_version" => ("query", "version", "Of this version.", text),
        "by_author" => ("query", "author", "Of distributions of this author.", text),
        "by_tester" => ("query", "tester", "Of this tester, by public id.", text),
        "grade" => {
            ("query", "grade", "With this grade.", json!({"type": "string", "enum": ["pass", "fail", "na", "unknown"]}))
        }
        "language_version" => ("query", "language_version", "On this language version, as reported.", text),
        "os" => ("query", "os", "On this operating system, by canonical name.", text),
        "architecture" => ("query", "architecture", "On this architecture.", text),
        "maturity" => (
            "query",
            "maturity",
            "Of releases of this maturity.",
            json!({"type": "string", "enum": ["stable", "developer"]}),
        ),
        "since" => ("query", "since", "At this moment or later (RFC 3339, or a date).", text),
        "changed_since" => ("query", "changed_since", "Changed at this moment or later.", text),
        "cursor" => ("query", "cursor", "The `next` of an earlier page.", text),
        "after" => ("query", "after", "The `next` of an earlier answer.", text),
        "last_event_id" => ("header", "Last-Event-ID", "The id of the last event that was seen.", text),
        "kind" => {
            ("query", "kind", "Changes of this kind alone.", json!({"type": "string", "enum": ["result", "summary"]}))
        }
        "limit" => ("query", "limit", "Items at most.", json!({"type": "integer", "minimum": 1})),
        "q" => ("query", "q", "What to look for.", text),
        "order" => {
            ("query", "order", "`relevance` when left out.", json!({"type": "string", "enum": ["relevance", "newest"]}))
        }
        other => unreachable!("{other} is not a parameter of the table"),
    };
    json!({"in": place, "name": own, "description": about, "required": place == "path", "schema": schema})
}

/// The shape of a report as submitted (contract §2.1). Fields beyond these are kept.
pub(super) fn report_shape() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "type": "object",
        "required": ["reporter", "environment", "distribution", "result"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "Chosen by the sender; makes sending again safe."},
            "created": {"type": "string", "format": "date-time"},
            "reporter": {"type": "object", "required": ["email"], "properties": {"name": text, "email": text}},
            "environment": {
                "type": "object",
                "required": ["language", "system"],
                "properties": {
                    "user_agent": text,
                    "toolchain": texts,
                    "language": {
                        "type": "object",
                        "required": ["name", "version", "archname"],
                        "properties": {
                            "name": {"enum": ["Perl 5", "Perl 6", "perl", "raku"]},
                            "version": text, "archname": text, "build": text, "commit_id": text,
                            "variables": {"type": "object"}, "implementation": text,
                            "backend": {"type": "object", "properties": {"engine": text, "version": text}},
                        },
                    },
                    "system": {
                        "type": "object",
                        "required": ["osname"],
                        "properties": {
                            "osname": text, "osversion": text, "hostname": text, "cpu_count": text, "cpu_type": text,
                            "cpu_description": text, "filesystem": text, "variables": {"type": "object"},
                        },
                    },
                },
            },
            "distribution": {
                "type": "object",
                "required": ["name", "version"],
                "properties": {
                    "name": text, "version": text,
                    "path": {"type": "string", "description": "AUTHOR/Archive-1.0.tar.gz"},
                    "prerequisites": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["phase", "name", "need"],
                            "properties": {"phase": text, "name": text, "need": text, "have": text},
                        },
                    },
                },
            },
            "result": {
                "type": "object",
                "required": ["grade", "output"],
                "properties": {
                    "grade": {"enum": ["pass", "fail", "na", "unknown"]},
                    "output": {
                        "type": "object",
                        "properties": {
                            "uncategorized": text, "configure": text, "build": text, "test": text, "install": text,
                        },
                    },
                    "tests": count, "failures": count, "skipped": count, "warnings": count,
                    "todo": {"type": "object", "properties": {"pass": count, "fail": count}},
                    "duration": {"type": "number", "minimum": 0},
                },
            },
            "comments": {},
        },
    })
}
