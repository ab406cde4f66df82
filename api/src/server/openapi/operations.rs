//! What `/v4` offers, an operation each.

use super::Operation;

const READ: Operation = Operation {
    method: "get",
    path: "",
    name: "",
    tag: "Reading",
    summary: "",
    description: "",
    parameters: &[],
    answer: ("200", "application/json", ""),
    problems: &["400", "404"],
    body: None,
};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v4/reports",
        name: "submitReports",
        tag: "Submitting",
        summary: "Submit one report, or many as NDJSON",
        description: "One report as `application/json`, or one a line as `application/x-ndjson`, for which each line \
                      has a line of its own in the answer. Bodies may be packed with gzip, zstd or br. A 202 is a \
                      promise: the report is on disk and will get an outcome. The report's own `id` makes sending \
                      again safe: the same bytes are stored once (200), other bytes of the same tester are a \
                      correction, and those of another tester are refused (409), as are corrections of a withdrawn \
                      report. `Prefer: wait=N` holds the answer for up to N seconds for the outcome. While the \
                      database is away, reports are kept on the disk of the node that took them: `spooled` in the \
                      receipt and in the answers for lines; credentials are then checked later, and the receipt tells.",
        parameters: &["prefer"],
        answer: ("202", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "408", "409", "413", "415", "422", "429", "503"],
        body: Some("Report"),
    },
    Operation {
        path: "/v4/reports/{id}",
        name: "report",
        summary: "A report and all that was read out of it",
        description: "The tester's address is left out.",
        parameters: &["id"],
        answer: ("200", "application/json", "ReportView"),
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/reports/{id}",
        name: "withdrawReport",
        tag: "Submitting",
        summary: "Take a report back",
        description: "It is counted, listed and found nowhere from then on; the change feed carries its tombstone, \
                      and its receipt says who withdrew it and why. A tester retracts reports of their own, with a \
                      token of the scope submit or `Basic` profile:secret of a legacy profile; a token with the \
                      scope admin withdraws any. Given again, it changes nothing, but bytes that were kept can be \
                      purged later.",
        parameters: &["id", "reason", "as", "body"],
        answer: ("200", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/reports/{id}/restore",
        name: "restoreReport",
        tag: "Operations",
        summary: "Put a withdrawn report back",
        description: "It is processed again, while its bytes are kept; 409 once they are gone. A report that stands \
                      is left as it is. Needs a token with the scope admin.",
        parameters: &["id"],
        answer: ("200", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/invalidations",
        name: "invalidateReports",
        tag: "Operations",
        summary: "Withdraw many reports: those of a tester, or those named",
        description: "With `dry_run` it tells how many they are and some of their ids, and changes nothing. A request \
                      withdraws 20,000 at most; while `remaining` is not 0, send it again. Needs a token with the \
                      scope admin.",
        answer: ("200", "application/json", "InvalidationView"),
        problems: &["400", "401", "403", "404"],
        body: Some("InvalidationOrder"),
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/text",
        name: "reportText",
        summary: "A report as people read it",
        description: "That of a withdrawn report has the header `Assay-Withdrawn`; 410 once its bytes are gone.",
        parameters: &["id"],
        answer: ("200", "text/plain", "text"),
        problems: &["400", "404", "410"],
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/raw",
        name: "reportRaw",
        summary: "A report byte for byte as submitted",
        description: "The bytes of a JSON report hold its tester's address: on a server that others can reach, a \
                      token with the scope read is needed.",
        parameters: &["id"],
        answer: ("200", "application/octet-stream", "text"),
        problems: &["400", "401", "403", "404", "410"],
        ..READ
    },
    Operation {
        path: "/v4/reports/{id}/receipt",
        name: "receipt",
        tag: "Submitting",
        summary: "What became of a submission",
        description: "With `wait`, the answer is held until the report is settled. The receipt of a spooled report is \
                      to be had at the node that took it, until the database has the report; other nodes answer 503 \
                      while the database is away.",
        parameters: &["id", "wait"],
        answer: ("200", "application/json", "ReceiptView"),
        problems: &["400", "404", "503"],
        ..READ
    },
    Operation {
        path: "/v4/releases/{distribution}",
        name: "releases",
        summary: "All releases of a distribution, newest first",
        parameters: &["distribution", "language"],
        answer: ("200", "application/json", "DistributionView"),
        ..READ
    },
    Operation {
        path: "/v4/releases/{distribution}/{version}",
        name: "release",
        summary: "One release and its counts",
        parameters: &["distribution", "version", "language"],
        answer: ("200", "application/json", "ReleaseView"),
        ..READ
    },
    Operation {
        path: "/v4/distributions/{distribution}",
        name: "distribution",
        summary: "A distribution and its releases",
        parameters: &["distribution", "language"],
        answer: ("200", "application/json", "DistributionView"),
        ..READ
    },
    Operation {
        path: "/v4/authors/{id}",
        name: "author",
        summary: "An author's distributions, the newest release of each",
        parameters: &["author"],
        answer: ("200", "application/json", "AuthorView"),
        problems: &["404"],
        ..READ
    },
    Operation {
        path: "/v4/testers/{id}",
        name: "tester",
        summary: "A tester, counts and newest reports",
        parameters: &["tester"],
        answer: ("200", "application/json", "TesterView"),
        problems: &["404"],
        ..READ
    },
    Operation {
        path: "/v4/matrix/{distribution}",
        name: "distributionMatrix",
        summary: "Grades of a distribution by one to three axes",
        parameters: &["distribution", "axes", "language"],
        answer: ("200", "application/json", "MatrixView"),
        ..READ
    },
    Operation {
        path: "/v4/matrix/{distribution}/{version}",
        name: "releaseMatrix",
        summary: "Grades of a release by one to three axes",
        parameters: &["distribution", "version", "axes", "language"],
        answer: ("200", "application/json", "MatrixView"),
        ..READ
    },
    Operation {
        path: "/v4/summaries",
        name: "summaries",
        tag: "Lists",
        summary: "Counts of releases",
        description: "A page as JSON; the whole list, streamed, with `Accept: application/x-ndjson`. `since` selects \
                      by the time of change. Asked for as a \
                      WebSocket, it sends a text frame for each summary that changes, as in `/v4/changes`, from the change \
                      number `after` on, or from now; the filters hold there too.",
        parameters: &["language", "by_distribution", "by_version", "by_author", "maturity", "since", "cursor", "limit"],
        answer: ("200", "application/json", "Page_SummaryView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/results",
        name: "results",
        tag: "Lists",
        summary: "Processed reports as rows, newest first",
        description: "A page as JSON; the whole list, streamed, with `Accept: application/x-ndjson`. `since` selects \
                      by the time of receipt, `changed_since` by the time of change. Asked for as a \
                      WebSocket, it sends a text frame for each result that changes, as in `/v4/changes`, from the change \
                      number `after` on, or from now; the filters hold there too, \
                      but for removals, which are told to all.",
        parameters: &[
            "language",
            "by_distribution",
            "by_version",
            "by_author",
            "by_tester",
            "grade",
            "language_version",
            "os",
            "architecture",
            "since",
            "changed_since",
            "cursor",
            "limit",
        ],
        answer: ("200", "application/json", "Page_ResultView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/changes",
        name: "changes",
        tag: "Lists",
        summary: "The change feed",
        description: "Every row that changed after the cursor, in commit order, as it is now; rows that are gone come \
                      with `removed` and no value. Without `after` it begins at the beginning. `wait` holds the answer \
                      for up to that many seconds until there is a change. As NDJSON it runs up to the newest change; \
                      the number of the last line is the cursor to go on from.",
        parameters: &["after", "wait", "limit"],
        answer: ("200", "application/json", "ChangesView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/events",
        name: "events",
        tag: "Lists",
        summary: "The change feed as server-sent events",
        description: "An event for each change, as in `/v4/changes`, within a second: its id is the number of the change, \
                      its type the kind, its data the change. It begins after `Last-Event-ID`, or else after `after`, \
                      or else now, so that a reader who comes again, to any node, misses nothing. The filters hold for \
                      results and summaries alike, but for results that are gone, which are told to all. Every 15 \
                      seconds an id without data says where the feed is.",
        parameters: &["last_event_id", "after", "kind", "language", "by_distribution", "by_version", "by_author"],
        answer: ("200", "text/event-stream", "text"),
        problems: &["400", "503"],
        ..READ
    },
    Operation {
        path: "/v4/search",
        name: "search",
        tag: "Lists",
        summary: "Reports by text and fields",
        description: "The query language is described at /docs/search.",
        parameters: &["q", "order", "cursor", "limit"],
        answer: ("200", "application/json", "SearchView"),
        problems: &["400", "503"],
        ..READ
    },
    Operation {
        path: "/v4/status",
        name: "status",
        tag: "Operations",
        summary: "How the service itself is doing",
        answer: ("200", "application/json", "StatusView"),
        problems: &["503"],
        ..READ
    },
    Operation {
        path: "/v4/jobs",
        name: "jobs",
        tag: "Operations",
        summary: "Jobs, newest first",
        description: "A job is a group of reports that are processed together.",
        parameters: &["job_state", "after", "limit"],
        answer: ("200", "application/json", "Page_JobView"),
        problems: &["400"],
        ..READ
    },
    Operation {
        path: "/v4/jobs/{number}",
        name: "job",
        tag: "Operations",
        summary: "A job, each attempt at it, and its reports",
        parameters: &["job"],
        answer: ("200", "application/json", "JobDetailView"),
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/jobs/{number}/retry",
        name: "retryJob",
        tag: "Operations",
        summary: "Try a job again",
        description: "Parked reports of it are tried again in a job of their own, with as many attempts as any; a job \
                      that waits for its next attempt is tried at once. Answers with the job that will run. Needs a \
                      token with the scope admin.",
        parameters: &["job"],
        answer: ("202", "application/json", "JobDetailView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/jobs/{number}/park",
        name: "parkJob",
        tag: "Operations",
        summary: "Park the reports of a job that have no outcome yet",
        description: "They are kept, and can be tried again. Needs a token with the scope admin.",
        parameters: &["job"],
        answer: ("200", "application/json", "JobDetailView"),
        problems: &["400", "401", "403", "404", "409"],
        body: Some("ParkOrder"),
    },
    Operation {
        method: "post",
        path: "/v4/jobs/retry",
        name: "retryAllJobs",
        tag: "Operations",
        summary: "Try every parked report again",
        description: "Needs a token with the scope admin.",
        answer: ("202", "application/json", "RetriedView"),
        problems: &["401", "403"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/reports/{id}/retry",
        name: "retryReport",
        tag: "Operations",
        summary: "Try one parked report again",
        description: "Needs a token with the scope admin.",
        parameters: &["id"],
        answer: ("202", "application/json", "ReceiptView"),
        problems: &["400", "401", "403", "404", "409"],
        ..READ
    },
    Operation {
        method: "put",
        path: "/v4/workers",
        name: "resizeWorkers",
        tag: "Operations",
        summary: "Change how many jobs run at the same time",
        description: "0 holds them. Needs a token with the scope admin.",
        answer: ("200", "application/json", "Workers"),
        problems: &["400", "401", "403", "413", "415", "422"],
        body: Some("Workers"),
        ..READ
    },
    Operation {
        path: "/v4/tokens",
        name: "tokens",
        tag: "Operations",
        summary: "List tokens, never their secrets",
        description: "Needs a token with the scope admin.",
        answer: ("200", "application/json", "object"),
        problems: &["401", "403"],
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/tokens",
        name: "issueToken",
        tag: "Operations",
        summary: "Issue a token; its text is shown this once",
        description: "Needs a token with the scope admin.",
        answer: ("201", "application/json", "IssuedView"),
        problems: &["400", "401", "403", "413", "415", "422"],
        body: Some("TokenOrder"),
        ..READ
    },
    Operation {
        method: "post",
        path: "/v4/tokens/{id}/rotate",
        name: "rotateToken",
        tag: "Operations",
        summary: "Replace a token by a new one with the same rights",
        description: "Needs a token with the scope admin. The old one stops working.",
        parameters: &["token"],
        answer: ("201", "application/json", "IssuedView"),
        problems: &["401", "403", "404"],
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/tokens/{id}",
        name: "revokeToken",
        tag: "Operations",
        summary: "End a token at once",
        description: "Needs a token with the scope admin.",
        parameters: &["token"],
        answer: ("204", "", ""),
        problems: &["401", "403", "404"],
        ..READ
    },
    Operation {
        method: "delete",
        path: "/v4/testers/{id}/secret",
        name: "forgetSecret",
        tag: "Operations",
        summary: "Forget the secret of a legacy tester who lost it",
        description: "Needs a token with the scope admin. The next secret used with the profile is kept as its own.",
        parameters: &["tester"],
        answer: ("204", "", ""),
        problems: &["401", "403", "404"],
        ..READ
    },
];
