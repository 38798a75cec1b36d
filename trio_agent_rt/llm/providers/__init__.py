"""What the clients of all providers have in common.

```
 client     options, lifetime, time-outs; imports the SDK when it is entered
   │
   ├─ dialect   pure: a request to a provider's JSON, its JSON to an answer
   └─ wire      asks with the SDK, again where that may help
        ├─ sdk        the little that is needed of one
        └─ endpoint   who is asked, and the sentence for each failure
```
"""

__all__ = []
