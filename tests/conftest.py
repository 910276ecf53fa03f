"""What all tests share: the real servers of `deploy/local`, and settings for processes that run on them."""

pytest_plugins = ["libs.common.testing.stack"]
