"""The filters of the back office's list of problems, in the names of the old client."""

from django.db.models import QuerySet
from django_filters import CharFilter, DateTimeFilter, FilterSet, UUIDFilter

from accounts.filters import PhoneFilter
from feedback.models import Problem
from robots.models import Robot


class ProblemFilters(FilterSet):
    phone = PhoneFilter()
    problem_id = UUIDFilter("category")
    robot_code = CharFilter(method="of_robot")
    group_name = CharFilter("group_name", "icontains")
    commit_date_begin = DateTimeFilter("reported_at", "gte")
    commit_date_end = DateTimeFilter("reported_at", "lte")

    class Meta:
        model = Problem
        fields: tuple[str, ...] = ()

    def of_robot(self, problems: QuerySet[Problem], name: str, reference: str) -> QuerySet[Problem]:
        """Return the problems of the robot with this id or gateway code."""
        return problems.filter(robot__in=list(Robot.objects.by_reference(reference).values_list("pk", flat=True)))
