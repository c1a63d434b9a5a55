"""From predictions to events: an action that began, went on, and is over, once and for the record.

rule        what makes an event, as the configuration says it
schedule    at which hours a rule holds
track       one rule on one camera: from a row of probabilities to changes of an event
event       an event, and what changes in its life
desk        all rules on all cameras; stores a change before anybody hears of it
store       the events on disk, with an outbox of their changes
"""
