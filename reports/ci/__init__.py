"""What a check tells others: terminal, Markdown, annotations, JUnit, OpenMetrics, webhook, dashboards; and workflow files."""
