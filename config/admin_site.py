"""The operators' site: the built-in admin under our name."""

from django.contrib.admin import AdminSite


class OperatorAdminSite(AdminSite):
    site_header = "微信群机器人 · 运营后台"
    site_title = "运营后台"
    index_title = "今日工作"
