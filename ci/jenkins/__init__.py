"""Jenkins: jobs as code, orders and their results, the Jenkinsfile checked."""
