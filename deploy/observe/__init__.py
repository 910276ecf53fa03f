"""What watches the platform: metrics, alerts, objectives and dashboards, made from data by `make observe`."""
