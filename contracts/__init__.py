"""What others build against, frozen as files and made from the code: `make contracts`, held by `make check`."""
