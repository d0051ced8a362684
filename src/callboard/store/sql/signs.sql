-- name: look
-- What moves with every request for processing or stitching, and with every publication. A sequence moves before its
-- transaction commits; so what follows it may be there a little later than it says.
select stream.head, tickets.last_value - (not tickets.is_called)::integer as tickets from stream cross join tickets;
