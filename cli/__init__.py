"""`pixera`, the operators' command: checks certificates, follows erasures, reads captured e-mails.

Exit codes of every command: 0 yes, or done; 1 the answer is no; 2 it could not be found out.
"""
