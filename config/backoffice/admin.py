"""The admin pages of Django and of packages, in the design of the back office."""

from collections.abc import Sequence
from typing import Any

from auditlog.models import LogEntry
from axes.admin import AccessAttemptAdmin as PlainAccessAttemptAdmin
from axes.admin import AccessFailureLogAdmin as PlainAccessFailureLogAdmin
from axes.admin import AccessLogAdmin as PlainAccessLogAdmin
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as PlainGroupAdmin
from django.contrib.auth.admin import UserAdmin as PlainUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import CrontabScheduleAdmin as PlainCrontabScheduleAdmin
from django_celery_beat.admin import PeriodicTaskAdmin as PlainPeriodicTaskAdmin
from django_celery_beat.admin import PeriodicTaskForm as PlainPeriodicTaskForm
from django_celery_beat.admin import TaskSelectWidget
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from config.access.backoffice.account_pages import AccountPages
from config.access.backoffice.grant_labels import GrantLabels, RoleFilter
from config.access.privileges import GrantLimits
from config.access.roles import ROLE_DESCRIPTIONS, get_role_label
from config.backoffice.audit_log_admin import AuditLogAdmin
from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.admin.read_only import ChangeDisabled, DeleteDisabled
from config.foundation.number_formats import format_count, format_moment
from config.schedule import describe_schedule, find_job

for model in (
    User,
    Group,
    LogEntry,
    AccessAttempt,
    AccessFailureLog,
    AccessLog,
    PeriodicTask,
    CrontabSchedule,
    IntervalSchedule,
    SolarSchedule,
    ClockedSchedule,
):
    admin.site.unregister(model)


@admin.register(User)
class UserAdmin(  # type: ignore[misc] # Django's makes the request of `lookup_allowed` optional, and calls that of ModelAdmin
    DeleteDisabled, AccountPages, GrantLimits, GrantLabels, PlainUserAdmin, ModelAdmin
):
    """Users are deactivated and never deleted, because the audit log names them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("name_and_address", "email", "roles", "account_status", "two_factor_state", "last_seen")
    list_filter = (("groups", RoleFilter), "is_active")
    compressed_fields = True


@admin.register(Group)
class GroupAdmin(GrantLimits, GrantLabels, PlainGroupAdmin, ModelAdmin):  # type: ignore[misc] # Django makes the request optional here only
    list_display = ("role_label", "role_description", "members")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(member_count=Count("user"))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        group = context.get("original")
        title = {} if group is None else {"subtitle": get_role_label(group.name)}
        return super().render_change_form(request, context | title, *args, **kwargs)

    @admin.display(description=_("role"), ordering="name")
    def role_label(self, group: Group) -> str:
        return get_role_label(group.name)

    @admin.display(description=_("what it is for"))
    def role_description(self, group: Group) -> str | Promise:
        return ROLE_DESCRIPTIONS.get(group.name, "–")

    @admin.display(description=_("users"), ordering="member_count")
    def members(self, group: Any) -> SafeString:
        url = f"{reverse('admin:auth_user_changelist')}?groups__id__exact={group.pk}"
        return format_html('<a href="{}">{}</a>', url, format_count(group.member_count))


admin.site.register(LogEntry, AuditLogAdmin)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ChangeDisabled, PlainAccessAttemptAdmin, ModelAdmin):
    """Failed log-ins; deleting one ends its lock-out."""


@admin.register(AccessFailureLog)
class AccessFailureLogAdmin(ChangeDisabled, PlainAccessFailureLogAdmin, ModelAdmin):
    pass


@admin.register(AccessLog)
class AccessLogAdmin(ChangeDisabled, PlainAccessLogAdmin, ModelAdmin):
    pass


class TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):
    """A choice of the existing tasks."""


class PeriodicTaskForm(PlainPeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


RESULTS_CLEANUP = "celery.backend_cleanup"  # a job of Celery itself


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(PlainPeriodicTaskAdmin, ModelAdmin):
    """Scheduled jobs, which can be changed, paused or run immediately."""

    form = PeriodicTaskForm
    change_form_template = "admin/change_form.html"
    change_list_template = "admin/change_list.html"
    list_display: Sequence[str] = ("display_name", "job_description", "schedule_description", "enabled", "last_run")
    list_filter = ("enabled",)
    date_hierarchy = None
    fieldsets = (
        (None, {"fields": ("name", "regtask", "task", "enabled", "description")}),
        (
            _("Schedule"),
            {
                "fields": (
                    "schedule_description",
                    "interval",
                    "crontab",
                    "clocked",
                    "start_time",
                    "last_run_at",
                    "one_off",
                )
            },
        ),
        (_("Arguments"), {"fields": ("args", "kwargs"), "classes": ("collapse",)}),
        (
            _("Execution options"),
            {"fields": ("expires", "expire_seconds", "queue", "priority"), "classes": ("collapse",)},
        ),
    )
    readonly_fields = ("last_run_at", "schedule_description")

    @admin.display(description=_("job"), ordering="name")
    def display_name(self, task: PeriodicTask) -> str:
        """Return the name that an operator gave the job, or ours in the reader's language."""
        job = find_job(task.task)
        if job and job.name == task.name:
            return str(job.title)
        return str(_("Delete old results of jobs")) if task.task == RESULTS_CLEANUP else task.name

    @admin.display(description=_("purpose"))
    def job_description(self, task: PeriodicTask) -> str:
        """Return the operator's description of the job, or ours in the reader's language."""
        job = find_job(task.task)
        if not task.description and task.task == RESULTS_CLEANUP:
            return str(_("Deletes job results that are older than a day."))
        return task.description or (str(job.description) if job else "")

    @admin.display(description=_("last run"), ordering="last_run_at")
    def last_run(self, task: PeriodicTask) -> str:
        return format_moment(task.last_run_at)

    @admin.display(description=_("runs"))
    def schedule_description(self, task: PeriodicTask) -> str:
        return describe_schedule(task)


@admin.register(CrontabSchedule)
class CrontabScheduleAdmin(PlainCrontabScheduleAdmin, ModelAdmin):
    inlines = ()


@admin.register(IntervalSchedule, ClockedSchedule, SolarSchedule)
class OtherScheduleAdmin(ModelAdmin):
    pass
