"""The parts of the router's stories: their world, what happens in it, the rows it is kept in, the laws."""
