"""Sites, hypervisors, enrolment, Eve's CA, the agent client, inventory, the watcher."""
