"""The table of commands: heading, package, name and summary.

`slipway --help` reads this table alone; tests/engine/test_cli.py compares it with the functions.
"""

from __future__ import annotations

PANELS: dict[str, dict[str, dict[str, str]]] = {
    "Pull requests": {
        "pull_request": {
            "lint": "Check code, import directions, workflows and shell scripts. Writes results/lint.json.",
            "data": "Check new data against the row contract and against older data. Writes results/data.json.",
            "test": "Run the quick tests, including convergence of the model code. Writes results/test.json.",
            "train": "Run the stale stages of dvc.yaml. Writes results/train.json.",
            "compare": "Compare the candidate with the production release and the baselines. Writes results/compare.json.",
            "report": "Write the report on all results as Markdown and HTML to results/report/.",
            "required": "Succeed only if every job of the pull request succeeded and every gate passed. Protects `main`.",
            "comment": "Post the report as a comment on the checked pull request, or update the existing one, through CML or gh.",
        },
        "retraining": {
            "required-status": "Post the commit status `required` for a retraining, because GitHub ignores checks of a dispatched run.",
        },
        "local": {
            "cml": "Install CML for the next steps of a job, from build/cml/source and npm packages that are verified by hash.",
        },
    },
    "Releases": {
        "": {
            "release": "Build, publish, sign, list and prune releases, and report on deployments.",
            "image": "Build and push the container image of a release.",
            "experiment": "Compare two releases user by user on an outcome of the business, and decide.",
        },
        "supply_chain": {
            "verify": "Trace a release back to reviewed source: recompute and compare every link of its provenance.",
            "release key": "Create a key pair for signing releases. The public key goes to .github/trusted-keys.",
            "release sign": "Sign a published release with $SLIPWAY_SIGNING_KEY, if every other link of its provenance holds.",
        },
        "release": {
            "release build": "Build the release of this commit and its trained model as one folder, byte for byte reproducible.",
            "release list": "List releases, newest first, with the environments that desire them.",
            "release keep": "Store the results of checks and load tests with their releases, as JSON and HTML.",
            "release prune": "Remove old releases from the store, except those that an environment runs, ran last or would roll back to.",
        },
        "image": {
            "image build": "Build the container image of a release as an OCI layout in build/image, reproducibly and without a daemon.",
            "image push": "Push the image of a published release to $SLIPWAY_IMAGES, and store its digest as evidence with the release.",
        },
        "deployment": {
            "release publish": "Publish a release to $SLIPWAY_STORE, and push its commit and tag to the `deploy` branch of origin.",
            "release report": "Write the report on a deployment, failed ones included, as Markdown and HTML to results/deployment/.",
            "release comment": "Post the deployment report as a comment on the deployed commit, or update it, through CML or gh.",
        },
    },
    "Environments": {
        "deployment": {
            "promote": "Promote a release to an environment by one commit on the `deploy` branch.",
            "approve": "Approve a release for an environment whose file has `policy: {approval: true}`, by a commit on `deploy`.",
            "rollback": "Roll an environment back to an earlier release by a revert on the `deploy` branch. Nothing is rebuilt.",
            "smoke": "Replay the requests that were recorded at build time, and compare the predictions. Writes results/smoke.json.",
            "experiment start": "Start an experiment by user: one side gets another release. Computes and fixes the number of users.",
            "experiment stop": "End the experiment of an environment without a decision: every user gets the release.",
            "manifests": "Render deploy/ into deploy/rendered/ with kubectl. Run it after an edit; promotions fill in the release.",
        },
        "agent": {
            "agent": "Reconcile an environment with the `deploy` branch, and serve it behind its own gateway.",
            "stop": "Stop the agent, the services and the gateway of an environment.",
            "confirm": "Accept a `deploy` branch whose history was rewritten. Until then, this machine's agent changes nothing.",
            "status": "Show the desired and the observed release of each environment, and who promoted it.",
        },
        "loadtest": {
            "loadtest": "Run an open-loop load test at the rate in params.yaml. Writes results/loadtest.json.",
        },
        "monitoring": {
            "monitor": "Check an environment's traffic and predictions for drift, decay and faults. Writes results/monitor.json.",
            "experiment status": "Count the users and outcomes of the running experiment. No outcome is shown before the decision.",
            "experiment decide": "Decide the experiment once it is complete, and end it by a commit. Writes results/experiment.json.",
            "collect": "Copy an environment's prediction log and request counters to $SLIPWAY_COLLECTED.",
        },
    },
    "Continuous training": {
        "retraining": {
            "retrain": "Fetch new data, check it, train and compare. Writes the content of a pull request to build/proposal/.",
            "propose": "Open or update the pull request of a retraining, through CML or gh, and start its checks.",
        },
        "monitoring": {
            "health": "Open, update or close an environment's health issue, and start a retraining if `slipway monitor` requires one.",
        },
        "lab": {
            "replay": "Backtest three retraining policies day by day on the data that follows: never, by calendar, by monitoring.",
        },
    },
    "Models and experiments": {
        "": {
            "features": "Join features to rows, and serve them by key, from the views of `problem.feature_views`.",
        },
        "feature_store": {
            "features join": "Join features to the rows of a Parquet file, each row as of its `event_timestamp`.",
            "features materialize": "Write the newest features of each key to the online store: SQLite, or Redis at $SLIPWAY_FEATURES_REDIS.",
            "features serve": "Serve the online store by Feast's feature server on loopback, in the foreground.",
            "features get": "Print the features of a key from the feature server, validated by `Row`.",
        },
        "score": {
            "score": "Predict every row of a file or folder with the same code as the service. An interrupted run resumes.",
        },
        "history": {
            "history": "List runs and releases with commit, data, parameters, metrics, champion and verdict, newest first.",
            "history diff": "Compare two runs or releases: parameters, metrics, data, outputs, packages and commits.",
            "track": "Mirror the newest run to MLflow at $MLFLOW_TRACKING_URI: parameters, metrics, loss curve, model and tags.",
            "reproduce": "Rebuild a release from its commit and data, and compare the digests. Writes results/reproduce.json.",
        },
        "tune": {
            "tune": "Search for better parameters in the ranges of params.yaml, on training rows only. An interrupted run resumes.",
        },
    },
    "Benchmarks and audits": {
        "lab": {
            "faults": "Inject dozens of faults into the newest data file, and show which ones the data checks block, and why.",
            "power": "Measure the champion gate's error rates: false alarms on equal models, misses on a loss as large as the margin.",
            "mutants": "Change the engine's code in small ways, and show which changes its tests notice. Writes results/mutants/.",
            "drill": "Promote, roll back and abort a canary repeatedly under load, and verify that no request fails.",
            "bench": "Benchmark the service against vanilla BentoML, a minimal server with the same model, and an empty server.",
        },
        "supply_chain": {
            "audit": "Look up every locked package in PyPI's advisories. Needs network access. Writes results/audit.json.",
            "licences": "List the license of every package that a release installs. Fails if one may not be distributed.",
        },
    },
    "Privacy": {
        "erasure": {
            "erase": "Erase a data subject's rows from every version of the data and from the prediction logs. A killed run continues.",
        },
    },
    "Fork": {
        "scaffold": {
            "new": "Replace the sample problem with one inferred from a table: code, tests, data, limits and a first model.",
            "upgrade": "Merge a newer template into this fork. Your problem, data, results and README stay unchanged.",
        },
    },
    "Local machine": {
        "local": {
            "doctor": "Check this machine and the repository's settings on GitHub, and print a fix for each problem.",
            "demo": "Run the full CI/CD loop on a throwaway repository, and leave staging and production running.",
            "serve": "Serve the model in model/ in the foreground, with the same code as a release.",
            "docs": "Build the documentation site in build/site, and check every link. Writes results/docs.json.",
            "notebooks": "Execute the notebooks in notebooks/, and check that each has its .py file. Writes results/notebooks.json.",
        },
        "dvc": {
            "pull": "Fetch the data of every *.dvc file. Verifies each object in DVC's cache by hash and rejects corrupt ones.",
        },
    },
}
"""The headings of `slipway --help`: the commands of each package, with the first line of their docstrings.

A name with a space belongs to a group. A group that is no command itself has no package.
"""

SUMMARIES = {name: text for packages in PANELS.values() for names in packages.values() for name, text in names.items()}
PACKAGES = {name: package for packages in PANELS.values() for package, names in packages.items() for name in names}
