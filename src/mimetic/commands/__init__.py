"""The commands, a file for each bend of the river. Each imports what it needs when it runs, so that help is instant."""
