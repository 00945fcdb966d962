"""What is asked of the control plane over HTTPS: enrol, renew, leave."""
