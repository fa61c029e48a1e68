"""A finished run, shown: terminal, `results.json`, JUnit, one HTML page and a picture per counterexample.

Nothing is imported here, so that `import harness.report` stays cheap; ask the sub-module that does the job:
`write.write_report`, `folder.new_run_folder` and `publish`, `terminal.ConsoleReporter`, `grid.timeline_text`,
`results.write_results`, `junit.write_junit`, `timeline.timeline`.
"""
