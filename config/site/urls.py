"""URLs of the service status, the marquee and visits."""

from django.urls import path

from config.site import views

urlpatterns = [
    path("app/status", views.StatusViews.as_view({"get": "show", "post": "create"})),
    path("app/marquee", views.MarqueeViews.as_view({"get": "show", "post": "create"})),
    path("page/access", views.VisitViews.as_view({"get": "create"})),
]
