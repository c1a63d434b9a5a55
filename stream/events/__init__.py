"""From predictions to events: an action that began, went on, and is over, once and for the record.

rule        what makes an event, as the configuration says it
schedule    at which hours a rule holds
track       one rule on one camera: from a row of probabilities to changes of an event
event       an event, and what changes in its life
evidence    the types of what was kept of an event
desk        all rules on all cameras; stores a change before anybody hears of it
store       the events on disk, and every change of them; database: how SQLite is opened
outbox      what one receiver has still to be told; courier: the thread that tells it
receivers   webhook and mqtt, as the configuration says them; report: what they are told; post:
            an HTTP POST that ends in time; unreachable: why they can't be reached
listing     the store for people and programs
rehearsal   rules tried on a video; picture: drawn as a timeline
"""
