"""How fast Muster answers, beside a bare python-telegram-bot: `python -m benchmarks`."""
