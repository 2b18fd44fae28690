import time
import pytest
from django.db import connection
from django.core.management import call_command
from django.test import TransactionTestCase
from pathlib import Path
from tests.database import QuickFlush
T=[]
@pytest.mark.django_db(transaction=True)
def test_flush(capsys):
    from django.contrib.auth.models import User
    from tests.makers import make_customer
    for _ in range(3):
        User.objects.create_superuser("a",password="x"); make_customer("u")
        t=time.time(); call_command("flush", verbosity=0, interactive=False, reset_sequences=False, allow_cascade=False, inhibit_post_migrate=False); a=time.time()-t
        T.append(("django flush",a))
    q=QuickFlush(connection)
    for _ in range(3):
        User.objects.create_superuser("a",password="x"); make_customer("u")
        t=time.time(); q.flush(); T.append(("quick",time.time()-t))
    with capsys.disabled(): print(T, len(q.tables), {k:len(v[1]) for k,v in q.initial_rows.items()})
